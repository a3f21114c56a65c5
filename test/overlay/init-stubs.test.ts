import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeInitStubs } from '../../src/overlay/init-stubs.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

// chown to root needs root
describe.skipIf(process.getuid?.() !== 0)('init stubs (root)', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let at: (path: string) => string;
  beforeEach(() => {
    root = temporaryDirectory();
    mkdirSync(join(root.path, 'merged'));
    at = (path) => join(root.path, 'merged', path);
  });
  afterEach(() => root.remove());
  const describeStub = (path: string): string => {
    const found = lstatSync(at(path));
    const mode = (found.mode & 0o7777).toString(8);
    if (found.isSymbolicLink()) return `-> ${readlinkSync(at(path))}`;
    return found.isDirectory() ? `directory ${mode}` : `file ${mode} ${found.size}`;
  };

  it("are Docker's, whatever the umask", () => {
    const before = process.umask(0o077);
    try {
      writeInitStubs(at(''));
    } finally {
      process.umask(before);
    }
    const stubs = Object.fromEntries(
      readdirSync(at(''), { recursive: true }).map((path) => [path, describeStub(path as string)]),
    );
    expect(stubs).toEqual({
      '.dockerenv': 'file 755 0',
      dev: 'directory 755',
      'dev/console': 'file 755 0',
      'dev/pts': 'directory 755',
      'dev/shm': 'directory 755',
      etc: 'directory 755',
      'etc/hostname': 'file 755 0',
      'etc/hosts': 'file 755 0',
      'etc/mtab': '-> /proc/mounts',
      'etc/resolv.conf': 'file 755 0',
      proc: 'directory 755',
      sys: 'directory 755',
    });
  });

  it('leave directories alone and replace files and links', () => {
    mkdirSync(at('etc'), { mode: 0o700 });
    mkdirSync(at('etc/hostname'));
    writeFileSync(at('etc/hosts'), 'of the image');
    symlinkSync('/etc/shadow', at('etc/resolv.conf'));
    writeFileSync(at('proc'), 'a file');
    writeInitStubs(at(''));
    expect(describeStub('etc')).toBe('directory 700');
    expect(describeStub('etc/hostname')).toBe('directory 755');
    expect(describeStub('etc/hosts')).toBe('file 755 0');
    expect(describeStub('etc/resolv.conf')).toBe('file 755 0');
    expect(describeStub('proc')).toBe('directory 755');
  });

  it('follow no link of the image out of its root', () => {
    const outside = join(root.path, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'hosts'), "the host's");
    symlinkSync(outside, at('etc'));
    symlinkSync(outside, at('dev'));
    writeInitStubs(at(''));
    expect(readdirSync(outside)).toEqual(['hosts']);
    expect(readFileSync(join(outside, 'hosts'), 'utf8')).toBe("the host's");
    expect(describeStub('etc')).toBe('directory 755');
  });
});
