/** Hostile and odd layers, really unpacked: what stands outside never changes, and what is accepted can be had back. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  END_OF_ARCHIVE,
  rawHeader,
  type TarEntry,
  tarEntry,
  withChecksum,
} from '../../bench/images/tar-header.js';
import type { ErrorCode } from '../../src/core/errors.js';
import { allEntries } from '../helpers/torture-image.js';
import { type LayerSandbox, layerSandbox } from '../helpers/write-layer.js';

type More = Partial<Omit<TarEntry, 'data'>> & { data?: string };
const entry = (type: string, name: string, { data = '', ...more }: More = {}): Buffer =>
  tarEntry({
    name,
    type,
    mode: type === '5' ? 0o755 : 0o644,
    mtime: 1_600_000_000,
    data: Buffer.from(data),
    ...more,
  });
const file = (name: string, data = name, more: More = {}): Buffer => entry('0', name, { data, ...more });
const dir = (name: string, more?: More): Buffer => entry('5', `${name}/`, more);
const symlink = (name: string, linkname: string): Buffer => entry('2', name, { linkname });
const hardlink = (name: string, linkname: string): Buffer => entry('1', name, { linkname });
const gone = (name: string): Buffer => file(name, '');
const xattr = (name: string, value: string): More => ({ pax: { [`SCHILY.xattr.${name}`]: value } });
/** A PAX sparse file of one extent. */
const sparse = (name: string, text: string, size: number, more: More = {}): Buffer =>
  file(name, text, {
    ...more,
    pax: {
      'GNU.sparse.map': `${size - text.length},${text.length}`,
      'GNU.sparse.size': `${size}`,
      'GNU.sparse.name': name,
    },
  });
const deep = (levels: number): string => Array.from({ length: levels }, (_, at) => `d${at}`).join('/');

describe.skipIf(process.getuid?.() !== 0)('layers as root (needs root)', () => {
  let box: LayerSandbox;
  beforeEach(() => {
    box = layerSandbox();
  });
  afterEach(() => {
    const changed = box.changedOutside();
    box.remove();
    expect(changed, 'changed outside the layer').toEqual([]);
  });
  const tarOf = (entries: readonly Uint8Array[]): Buffer => Buffer.concat([...entries, END_OF_ARCHIVE]);

  /** "path type [what]" for everything in the layer; whiteouts and opaque directories by these names. */
  function shape(): string[] {
    return [...box.tree()]
      .filter(([path]) => path !== '')
      .map(([path, record]) => {
        if (record.type === 'char' && record.device === '0:0') return `${path} whiteout`;
        const opaque = record.xattrs['trusted.overlay.opaque'] === 'y' ? ' opaque' : '';
        const size = record.size === undefined ? '' : ` ${record.size}`;
        return `${path} ${record.type}${size}${record.target === undefined ? '' : ` ${record.target}`}${opaque}`;
      });
  }

  describe('refused', () => {
    const refused: [
      what: string,
      entries: (outside: string) => Uint8Array[],
      code: ErrorCode,
      message: RegExp,
    ][] = [
      ['.. that leaves the root', () => [file('../outside/new')], 'ERR_LAYER_HOSTILE', /leaves the root/],
      ['.. further inside', () => [file('a/../../outside/new')], 'ERR_LAYER_HOSTILE', /leaves the root/],
      ['.. as a name', () => [dir('..')], 'ERR_LAYER_HOSTILE', /leaves the root/],
      [
        'a root that is a symlink (CVE-2021-29136)',
        (outside) => [symlink('./', outside), file('secret', 'x')],
        'ERR_LAYER_HOSTILE',
        /the root is a symlink/,
      ],
      ['a root that is a file', () => [file('/', '')], 'ERR_LAYER_HOSTILE', /the root is a file/],
      ['a NUL in a name', () => [file('x', '', { pax: { path: 'a\0b' } })], 'ERR_LAYER_HOSTILE', /NUL byte/],
      [
        'a NUL in a link',
        () => [entry('2', 'x', { pax: { linkpath: 'a\0b' } })],
        'ERR_LAYER_HOSTILE',
        /bad symlink target/,
      ],
      [
        'a NUL in an xattr’s name',
        () => [file('x', '', xattr('user.a\0b', 'v'))],
        'ERR_LAYER_HOSTILE',
        /NUL byte/,
      ],
      ['a symlink to nothing', () => [symlink('x', '')], 'ERR_LAYER_HOSTILE', /bad symlink target/],
      ['a device that is a whiteout', () => [entry('3', 'x')], 'ERR_LAYER_HOSTILE', /device 0:0/],
      ['a whiteout of no name', () => [gone('a/.wh.')], 'ERR_LAYER_HOSTILE', /whiteout of no name/],
      ['a whiteout of .', () => [gone('a/.wh..')], 'ERR_LAYER_HOSTILE', /whiteout of no name/],
      ['a whiteout of ..', () => [gone('a/.wh...')], 'ERR_LAYER_HOSTILE', /whiteout of no name/],
      ['a whiteout with contents', () => [file('.wh.a', 'x')], 'ERR_LAYER_HOSTILE', /whiteout with 1 bytes/],
      [
        'a component of 256 bytes',
        () => [file('n'.repeat(256))],
        'ERR_LAYER_HOSTILE',
        /component of 256 bytes/,
      ],
      [
        'a path of 4096 bytes',
        () => [file(`${'n'.repeat(200)}/`.repeat(20) + 'n'.repeat(76))],
        'ERR_LAYER_HOSTILE',
        /name of 4096 bytes/,
      ],
      ['513 directories', () => [file('d/'.repeat(513))], 'ERR_LAYER_HOSTILE', /deeper than 512/],
      [
        'a hardlink out of the root',
        () => [hardlink('x', '../outside/secret')],
        'ERR_LAYER_HOSTILE',
        /leaves the root/,
      ],
      [
        'a hardlink to an absolute path outside',
        (outside) => [hardlink('x', `${outside}/secret`)],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink through a symlink out',
        (outside) => [symlink('out', outside), hardlink('x', 'out/secret')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to nothing',
        () => [hardlink('x', 'nothing')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to what comes later',
        () => [hardlink('x', 'y'), file('y')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to a whiteout',
        () => [gone('.wh.y'), hardlink('x', 'y')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to a directory',
        () => [dir('d'), hardlink('x', 'd')],
        'ERR_LAYER_HOSTILE',
        /hardlink to a directory/,
      ],
      [
        'a hardlink to itself',
        () => [file('x'), hardlink('x', './x')],
        'ERR_LAYER_HOSTILE',
        /hardlink to itself/,
      ],
      ['a hardlink to the root', () => [hardlink('x', '.')], 'ERR_LAYER_INVALID', /is not in this layer/],
      ['an entry beneath a file', () => [file('f'), file('f/x')], 'ERR_LAYER_INVALID', /not a directory/],
      [
        'an entry beneath a device',
        () => [entry('3', 'null', { major: 1, minor: 3 }), file('null/x')],
        'ERR_LAYER_INVALID',
        /not a directory/,
      ],
      [
        'symlinks in a circle',
        () => [symlink('a', 'b'), symlink('b', 'a'), file('a/x')],
        'ERR_LAYER_HOSTILE',
        /too many symlinks/,
      ],
      [
        'a symlink to itself',
        () => [symlink('a', 'a'), file('a/x')],
        'ERR_LAYER_HOSTILE',
        /too many symlinks/,
      ],
      [
        'a huge PAX header',
        () => [rawHeader({ name: 'p', type: 'x', mode: 0, size: 5 << 20 })],
        'ERR_LAYER_INVALID',
        /extended header of 5242880/,
      ],
      [
        'an xattr over 64 KiB',
        () => [file('x', '', xattr('user.big', 'v'.repeat(65_537)))],
        'ERR_LAYER_HOSTILE',
        /extended attribute of 65537/,
      ],
    ];
    it.each(refused)('%s', async (_, entries, code, message) => {
      const tar = tarOf(entries(box.outside));
      await expect(box.write(tar)).rejects.toEqual(
        expect.objectContaining({ code, message: expect.stringMatching(message) }),
      );
    });
  });

  describe('kept inside', () => {
    const inside: [
      what: string,
      entries: (outside: string) => Uint8Array[],
      shape: (outside: string) => string[],
    ][] = [
      ['an absolute name', () => [file('/etc/x', 'x')], () => ['etc dir', 'etc/x file 1']],
      ['.. inside the name', () => [file('a/../b/./c//d', 'x')], () => ['b dir', 'b/c dir', 'b/c/d file 1']],
      [
        'a file through an absolute symlink',
        (outside) => [symlink('out', outside), file('out/secret', 'x')],
        (outside) => [...parents(outside, 'secret file 1'), `out symlink ${outside}`],
      ],
      [
        'a file through .. symlinks',
        () => [symlink('up', '../../../outside'), file('up/secret', 'x')],
        () => ['outside dir', 'outside/secret file 1', 'up symlink ../../../outside'],
      ],
      [
        'a chain of symlinks',
        () => [symlink('a', 'b'), symlink('b', '/c'), dir('c'), file('a/x', 'x')],
        () => ['a symlink b', 'b symlink /c', 'c dir', 'c/x file 1'],
      ],
      [
        'a symlink that is replaced, not followed',
        (outside) => [symlink('x', `${outside}/secret`), file('x', 'new')],
        () => ['x file 3'],
      ],
      [
        'a directory in place of a symlink',
        (outside) => [symlink('x', outside), dir('x'), file('x/secret', 'x')],
        () => ['x dir', 'x/secret file 1'],
      ],
      [
        'a symlink in place of a directory already used',
        (outside) => [dir('x'), file('x/a', 'a'), symlink('x', outside), file('x/secret', 'no')],
        (outside) => [...parents(outside, 'secret file 2'), `x symlink ${outside}`].sort(),
      ],
      [
        'a whiteout through a symlinked parent',
        (outside) => [symlink('out', outside), gone('out/.wh.secret')],
        (outside) => [...parents(outside, 'secret whiteout'), `out symlink ${outside}`],
      ],
      [
        'an opaque marker through a symlinked parent',
        () => [dir('real'), symlink('via', 'real'), file('via/.wh..wh..opq', '')],
        () => ['real dir opaque', 'via symlink real'],
      ],
      [
        'a hardlink of a symlink, not of its target',
        (outside) => [symlink('s', `${outside}/secret`), hardlink('h', 's')],
        (outside) => [`h symlink ${outside}/secret`, `s symlink ${outside}/secret`],
      ],
      [
        'aufs bookkeeping',
        () => [file('.wh..wh.plnk/1.2', ''), gone('a/.wh..wh.orph'), file('b', 'b')],
        () => ['b file 1'],
      ],
      [
        '60 directories without entries',
        () => [file(`${deep(60)}/x`, 'x')],
        () => [...Array.from({ length: 60 }, (_, at) => `${deep(at + 1)} dir`), `${deep(60)}/x file 1`],
      ],
      ['.wh. in the middle of a name', () => [file('a.wh.b', 'x')], () => ['a.wh.b file 1']],
    ];
    /** The place that an absolute path has inside the layer. */
    function parents(outside: string, leaf: string): string[] {
      const parts = outside.slice(1).split('/');
      return [
        ...parts.map((_, at) => `${parts.slice(0, at + 1).join('/')} dir`),
        `${outside.slice(1)}/${leaf}`,
      ];
    }
    it.each(inside)('%s', async (_, entries, expected) => {
      const tar = tarOf(entries(box.outside));
      await box.write(tar);
      expect(shape()).toEqual(expected(box.outside).sort());
      expect((await box.reassembled()).equals(tar)).toBe(true);
    });
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
      expect(shape()).toEqual(expected);
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
      expect(shape()).toEqual(expected);
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
    expect(shape()).toEqual(['1234567 file 4']);
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
