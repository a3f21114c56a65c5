import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getXattr, setXattr } from '../../src/core/fsops/xattr.js';
import { settle } from '../../src/overlay/settle.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

describe.skipIf(process.getuid?.() !== 0)('settle (root: device nodes and trusted xattrs)', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let own: (path: string) => string;
  let layers: string[];
  beforeEach(() => {
    root = temporaryDirectory();
    layers = ['base', 'middle'].map((name) => join(root.path, name));
    for (const path of [...layers, join(root.path, 'own')]) mkdirSync(path);
    own = (path) => join(root.path, 'own', path);
  });
  afterEach(() => root.remove());
  const base = (path: string) => join(root.path, 'base', path);
  const middle = (path: string) => join(root.path, 'middle', path);
  const directory = (path: string): string => {
    mkdirSync(path, { recursive: true });
    return path;
  };
  const whiteout = (path: string): void => {
    directory(dirname(path));
    execFileSync('mknod', [path, 'c', '0', '0']);
  };
  const settled = (pending: { implicitDirs?: string[]; whiteouts?: string[] }): void =>
    settle(own(''), [...layers].reverse(), { implicitDirs: [], whiteouts: [], ...pending });
  const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

  describe('an implicit directory', () => {
    it('takes mode, owner, nanosecond mtime and xattrs of the one that it covers', () => {
      directory(base('srv/data'));
      setXattr(base('srv/data'), 'user.tag', Buffer.of(0, 255));
      setXattr(base('srv/data'), 'trusted.overlay.opaque', Buffer.from('y'));
      chownSync(base('srv/data'), 123, 456);
      chmodSync(base('srv/data'), 0o3750);
      execFileSync('touch', ['-d', '2001-02-03T04:05:06.123456789Z', base('srv/data')]);
      directory(own('srv/data'));
      writeFileSync(own('srv/data/file'), '');
      settled({ implicitDirs: ['srv', 'srv/data'] });
      const found = statSync(own('srv/data'), { bigint: true });
      expect([found.mode & 0o7777n, found.uid, found.gid]).toEqual([0o3750n, 123n, 456n]);
      expect(found.mtimeNs).toBe(BigInt(Date.parse('2001-02-03T04:05:06Z')) * 1_000_000n + 123456789n);
      expect(getXattr(own('srv/data'), 'user.tag')).toEqual(Buffer.of(0, 255));
      expect(getXattr(own('srv/data'), 'trusted.overlay.opaque')).toBeUndefined();
    });

    it('takes those of the topmost layer that has it', () => {
      chmodSync(directory(base('d')), 0o711);
      chmodSync(directory(middle('d')), 0o750);
      directory(own('d'));
      settled({ implicitDirs: ['d'] });
      expect(modeOf(own('d'))).toBe('750');
    });

    it("keeps a time before 1970, and the root's own attributes come from the top layer's root", () => {
      execFileSync('touch', ['-d', '@-1.5', directory(base('old'))]);
      directory(own('old'));
      chmodSync(middle(''), 0o701);
      settled({ implicitDirs: ['old', ''] });
      expect(statSync(own('old'), { bigint: true }).mtimeNs).toBe(-1_500_000_000n);
      expect(modeOf(own(''))).toBe('701');
    });

    it.each([
      ['nothing is below', () => {}],
      ['a file is below', () => writeFileSync(base('d'), '')],
      ['a link is below', () => symlinkSync('elsewhere', base('d'))],
      [
        'a whiteout hides it',
        () => {
          chmodSync(directory(base('d')), 0o700);
          whiteout(middle('d'));
        },
      ],
    ])('is root’s, 0755, of 1970 where %s', (_, make) => {
      make();
      chmodSync(directory(own('d')), 0o700);
      settled({ implicitDirs: ['d'] });
      const found = statSync(own('d'));
      expect([found.mode & 0o7777, found.uid, found.mtimeMs]).toEqual([0o755, 0, 0]);
    });

    it('does not see through an opaque directory above it', () => {
      chmodSync(directory(base('a/b')), 0o700);
      setXattr(directory(middle('a')), 'trusted.overlay.opaque', Buffer.from('y'));
      directory(own('a/b'));
      settled({ implicitDirs: ['a/b'] });
      expect(modeOf(own('a/b'))).toBe('755');
    });

    it('is found through a link of its own layer, and never outside it', () => {
      const outside = directory(join(root.path, 'outside'));
      chmodSync(outside, 0o700);
      chmodSync(directory(base('usr/lib')), 0o711);
      directory(own('usr/lib'));
      symlinkSync('/usr/lib', own('lib'));
      symlinkSync(`../../../../../../../..${outside}`, own('out'));
      settled({ implicitDirs: ['lib', 'lib/.', 'out', '../outside'] });
      expect(modeOf(outside)).toBe('700');
      settled({ implicitDirs: ['lib/'] });
      expect(modeOf(own('usr/lib'))).toBe('711');
    });

    it('does not follow a link of a layer below out of it', () => {
      const outside = directory(join(root.path, 'outside/sub'));
      chmodSync(outside, 0o700);
      symlinkSync(dirname(outside), base('d'));
      directory(own('d/sub'));
      settled({ implicitDirs: ['d/sub'] });
      expect(modeOf(own('d/sub'))).toBe('755');
    });
  });

  describe('a whiteout', () => {
    it('stays where it hides something, also something that lies under a link-free path only', () => {
      writeFileSync(join(directory(base('d')), 'file'), '');
      symlinkSync('nowhere', base('d/link'));
      for (const name of ['d/file', 'd/link']) whiteout(own(name));
      settled({ whiteouts: ['d/file', 'd/link'] });
      expect(existsSync(own('d/file'))).toBe(true);
      expect(lstatSync(own('d/link')).isCharacterDevice()).toBe(true);
    });

    it('goes where it hides nothing, and its directory keeps its time', () => {
      directory(base('d'));
      whiteout(own('d/file'));
      execFileSync('touch', ['-d', '2001-02-03T04:05:06.123456789Z', own('d')]);
      const before = statSync(own('d'), { bigint: true }).mtimeNs;
      settled({ whiteouts: ['d/file', 'top', 'no/such'] });
      expect(existsSync(own('d/file'))).toBe(false);
      expect(statSync(own('d'), { bigint: true }).mtimeNs).toBe(before);
    });

    it('goes where a layer between hid the same already', () => {
      writeFileSync(base('file'), '');
      whiteout(middle('file'));
      whiteout(own('file'));
      settled({ whiteouts: ['file'] });
      expect(existsSync(own('file'))).toBe(false);
    });

    it('goes from an opaque directory, which hides all below already', () => {
      writeFileSync(join(directory(base('d/sub')), 'file'), '');
      chmodSync(base('d/sub'), 0o700);
      setXattr(directory(own('d')), 'trusted.overlay.opaque', Buffer.from('y'));
      directory(own('d/sub'));
      whiteout(own('d/sub/file'));
      settled({ whiteouts: ['d/sub/file'], implicitDirs: ['d/sub'] });
      expect(existsSync(own('d/sub/file'))).toBe(false);
      expect(modeOf(own('d/sub'))).toBe('755');
    });

    it('is removed only while it is one', () => {
      writeFileSync(own('file'), 'came back in the same layer');
      settled({ whiteouts: ['file'] });
      expect(existsSync(own('file'))).toBe(true);
    });

    it('has a name of bytes', () => {
      const name = Buffer.concat([Buffer.from(`${own('')}/bad`), Buffer.of(0xff)]);
      writeFileSync(name, '');
      execFileSync('sh', [
        '-c',
        'cd "$1" && for f in bad*; do rm "$f"; mknod "$f" c 0 0; done',
        'sh',
        own(''),
      ]);
      settled({ whiteouts: ['bad\xff'] });
      expect(existsSync(name)).toBe(false);
    });
  });

  it('may be repeated', () => {
    chmodSync(directory(base('d')), 0o711);
    whiteout(own('d/file'));
    for (let n = 0; n < 2; n++) settled({ implicitDirs: ['d'], whiteouts: ['d/file'] });
    expect(modeOf(own('d'))).toBe('711');
  });
});
