/** What layers become on disk, in whatever order their entries come; and that their tar comes back from it. */
import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rawHeader, withChecksum } from '../../bench/images/tar-header.js';
import { dir, entry, file, gone, hardlink, sparse, symlink, tarOf, xattr } from '../helpers/layer-entries.js';
import { allEntries } from '../helpers/torture-image.js';
import { type LayerSandbox, layerSandbox } from '../helpers/write-layer.js';

describe.skipIf(process.getuid?.() !== 0)('layers on disk (needs root)', () => {
  let box: LayerSandbox;
  beforeEach(() => {
    box = layerSandbox();
  });
  afterEach(() => {
    const changed = box.changedOutside();
    box.remove();
    expect(changed, 'changed outside the layer').toEqual([]);
  });

  describe('whiteouts in any order', () => {
    const D = 'd/.wh..wh..opq';
    const orders: [what: string, entries: Uint8Array[], shape: string[], idle: string[]][] = [
      ['of a file', [dir('d'), gone('d/.wh.x')], ['d dir', 'd/x whiteout'], ['d/x']],
      ['then the file', [gone('.wh.x'), file('x', 'x')], ['x file 1'], []],
      ['after the file', [file('x', 'x'), gone('.wh.x')], ['x file 1'], []],
      ['then the directory', [gone('.wh.d'), dir('d'), file('d/x', 'x')], ['d dir opaque', 'd/x file 1'], []],
      [
        'after the directory',
        [dir('d'), file('d/x', 'x'), gone('.wh.d')],
        ['d dir opaque', 'd/x file 1'],
        [],
      ],
      ['then an entry beneath', [gone('.wh.d'), file('d/x', 'x')], ['d dir opaque', 'd/x file 1'], []],
      ['then a symlink', [gone('.wh.d'), symlink('d', 'e')], ['d symlink e'], []],
      ['then a hardlink', [file('f', 'f'), gone('.wh.g'), hardlink('g', 'f')], ['f file 1', 'g file 1'], []],
      ['twice', [gone('.wh.x'), gone('.wh.x')], ['x whiteout'], ['x']],
      ['twice and the file', [gone('.wh.x'), file('x', 'x'), gone('.wh.x')], ['x file 1'], []],
      [
        'of a symlink of this layer',
        [dir('e'), symlink('d', 'e'), gone('.wh.d')],
        ['d symlink e', 'e dir'],
        [],
      ],
      ['opaque first', [dir('d'), gone(D), file('d/x', 'x')], ['d dir opaque', 'd/x file 1'], []],
      ['opaque last', [dir('d'), file('d/x', 'x'), gone(D)], ['d dir opaque', 'd/x file 1'], []],
      [
        'opaque before the directory',
        [gone(D), file('d/x', 'x'), dir('d')],
        ['d dir opaque', 'd/x file 1'],
        [],
      ],
      ['opaque alone', [gone(D)], ['d dir opaque'], []],
      [
        'opaque with whiteouts, which then hide nothing',
        [gone('d/.wh.x'), gone(D), gone('d/e/.wh.y')],
        ['d dir opaque', 'd/e dir'],
        [],
      ],
      ['opaque root', [gone('.wh..wh..opq'), gone('.wh.x'), file('y', 'y')], ['y file 1'], []],
      ['opaque directory that becomes a file', [dir('d'), gone(D), file('d', 'f')], ['d file 1'], []],
    ];
    it.each(orders)('%s', async (_, entries, expected, whiteouts) => {
      const tar = tarOf(entries);
      const written = await box.write(tar);
      expect(box.shape()).toEqual(expected);
      expect(written.whiteouts).toEqual(whiteouts);
      expect((await box.reassembled()).equals(tar)).toBe(true);
    });
    it('opaque root is marked', async () => {
      await box.write(tarOf([gone('.wh..wh..opq')]));
      expect(box.tree().get('')?.xattrs['trusted.overlay.opaque']).toBe('y');
    });
  });

  describe('the last of several entries wins', () => {
    const several: [what: string, entries: Uint8Array[], shape: string[]][] = [
      ['file, file', [file('x', 'first'), file('x', 'second!')], ['x file 7']],
      ['three files', [file('x', '1'), file('./x', '22'), file('/x', '333')], ['x file 3']],
      ['equal files', [file('x', 'same'), file('x', 'same'), file('y', 'same')], ['x file 4', 'y file 4']],
      [
        'dir, file, dir',
        [dir('x'), file('x/a', 'a'), file('x', 'f'), dir('x'), file('x/b', 'bb')],
        ['x dir', 'x/b file 2'],
      ],
      [
        'file, symlink, dir with children',
        [file('x', 'f'), symlink('x', 'y'), dir('x'), file('x/c', 'c')],
        ['x dir', 'x/c file 1'],
      ],
      [
        'dir with children, symlink, file',
        [dir('x/y/z'), file('x/y/z/f', 'f'), symlink('x', '.'), file('x', 'end')],
        ['x file 3'],
      ],
      [
        'hardlink to a file replaced later',
        [file('a', 'old'), hardlink('b', 'a'), file('a', 'newer')],
        ['a file 5', 'b file 3'],
      ],
      ['hardlink replaced', [file('a', 'a'), hardlink('b', 'a'), file('b', 'bb')], ['a file 1', 'b file 2']],
      [
        'both names of one inode replaced',
        [file('a', 'old'), hardlink('b', 'a'), file('a', 'a'), file('b', 'b')],
        ['a file 1', 'b file 1'],
      ],
      [
        'hardlink in place of a file',
        [file('a', 'a'), file('b', 'bb'), hardlink('b', 'a')],
        ['a file 1', 'b file 1'],
      ],
      [
        'two names through a symlink',
        [dir('real'), symlink('via', 'real'), file('via/x', 'first'), file('real/x', 'second!')],
        ['real dir', 'real/x file 7', 'via symlink real'],
      ],
      [
        'two names through a symlink, the other way',
        [dir('real'), symlink('via', 'real'), file('real/x', 'first'), file('via/x', 'second!')],
        ['real dir', 'real/x file 7', 'via symlink real'],
      ],
      ['sparse, then plain', [sparse('x', 'tail', 9000), file('x', 'plain')], ['x file 5']],
      ['plain, then sparse', [file('x', 'plain'), sparse('x', 'tail', 9000)], ['x file 9000']],
      ['sparse twice', [sparse('x', 'tail', 9000), sparse('x', 'TAIL', 9001)], ['x file 9001']],
      [
        'sparse, then plain of its size',
        [sparse('x', 'tail', 9000), file('x', 'p'.repeat(9000))],
        ['x file 9000'],
      ],
      ['a huge hole, then plain', [sparse('x', 't', 2 ** 40), file('x', 'plain')], ['x file 5']],
      ['directories', [dir('x', { mode: 0o700 }), dir('x', { mode: 0o711 })], ['x dir']],
    ];
    it.each(several)('%s', async (_, entries, expected) => {
      const tar = tarOf(entries);
      await box.write(tar);
      expect(box.shape()).toEqual(expected);
      expect((await box.reassembled()).equals(tar)).toBe(true);
    });
    it('with its own attributes', async () => {
      const owned = { mode: 0o2711, uid: 5, gid: 6, mtime: 1_700_000_000, ...xattr('user.a', 'b') };
      await box.write(
        tarOf([dir('x', { mode: 0o700, ...xattr('user.old', 'o') }), file('x/y'), dir('x', owned)]),
      );
      expect(box.tree().get('x')).toMatchObject({
        mode: '2711',
        owner: '5:6',
        mtimeNs: 1_700_000_000_000_000_000n,
      });
      expect(box.tree().get('x')?.xattrs).toMatchObject({ 'user.a': 'b' });
    });
  });

  describe('extended attributes', () => {
    it('overlayfs’ own are dropped and counted', async () => {
      const own = [
        'trusted.overlay.redirect',
        'trusted.overlay.metacopy',
        'trusted.overlay.opaque',
        'user.overlay.opaque',
      ];
      const pax = Object.fromEntries(
        [...own, 'user.kept', 'trusted.kept'].map((name) => [`SCHILY.xattr.${name}`, 'y']),
      );
      const written = await box.write(tarOf([file('x', 'x', { pax }), dir('d', { pax })]));
      expect(written.droppedXattrs).toBe(8);
      for (const path of ['x', 'd'])
        expect(Object.keys(box.tree().get(path)!.xattrs)).toEqual(['trusted.kept', 'user.kept']);
    });
    it('those that cannot be are dropped and counted, as docker does', async () => {
      const more = xattr('user.a', 'b');
      const entries = [
        entry('2', 'link', { linkname: 'x', ...more }),
        entry('6', 'pipe', more),
        file('x', 'x', xattr('nobody.knows', 'b')),
      ];
      expect((await box.write(tarOf(entries))).droppedXattrs).toBe(3);
    });
    it('a capability outlives owner, mode and contents', async () => {
      const value = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1');
      await box.write(
        tarOf([
          file('x', 'x'.repeat(3000), {
            uid: 9,
            gid: 9,
            mode: 0o6755,
            ...xattr('security.capability', value),
          }),
        ]),
      );
      expect(box.tree().get('x')).toMatchObject({
        mode: '6755',
        owner: '9:9',
        xattrs: { 'security.capability': value },
      });
    });
  });

  it('keeps bytes before and after: junk after the end, in whatever pieces', async () => {
    const tar = Buffer.concat([tarOf([file('x', 'x'.repeat(2000))]), Buffer.from('junk after the end')]);
    await box.write(tar, 7);
    expect((await box.reassembled()).equals(tar)).toBe(true);
  });
  it('everything at once comes back byte for byte', async () => {
    const tar = tarOf(allEntries());
    const written = await box.write(tar);
    expect(written.tarSize).toBe(tar.length);
    expect((await box.reassembled()).equals(tar)).toBe(true);
  });
  it('a name of 4095 bytes, 512 directories deep, removed by a file', async () => {
    const name = `${'1234567/'.repeat(511)}1234567`;
    await box.write(tarOf([file(name, 'x'), file('1234567', 'flat')]));
    expect(box.shape()).toEqual(['1234567 file 4']);
  });
  it('gives what lies in a set-group-ID directory the owner and mode of its header', async () => {
    const inside = [file('d/file', 'x'), dir('d/sub', { mode: 0o755 }), symlink('d/link', 'file')];
    await box.write(tarOf([dir('d', { mode: 0o2775, gid: 5678 }), ...inside]));
    const modes = ['file', 'sub', 'link'].map((name) => {
      const { gid, mode } = lstatSync(join(box.diff, 'd', name));
      return [name, gid, mode & 0o7000];
    });
    expect(modes).toEqual([
      ['file', 0, 0],
      ['sub', 0, 0],
      ['link', 0, 0],
    ]);
  });

  it('a sparse file has its holes on disk', async () => {
    await box.write(tarOf([sparse('x', 'tail', 2 ** 36)]));
    const { size, blocks } = statSync(join(box.diff, 'x'));
    expect([size, blocks < 64]).toEqual([2 ** 36, true]);
  });
  it('device numbers of 12 and 20 bits', async () => {
    const header = rawHeader({ name: 'big', type: '4', mode: 0o600, size: 0, major: 4095, minor: 1_048_575 });
    await box.write(tarOf([withChecksum(header)]));
    expect(box.tree().get('big')).toMatchObject({ type: 'block', device: '4095:1048575' });
  });
});
