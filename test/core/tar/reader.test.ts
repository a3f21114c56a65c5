import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { END_OF_ARCHIVE, rawHeader, tarEntry, withChecksum } from '../../../bench/images/tar-header.js';
import { everyByte, fingerprint, readTar } from '../../helpers/read-tar.js';
import { allEntries } from '../../helpers/torture-image.js';

const file = (name: string, text = '', more: object = {}): Buffer =>
  tarEntry({ name, type: '0', mode: 0o644, data: Buffer.from(text), ...more });
const archive = (...parts: Uint8Array[]): Buffer => Buffer.concat([...parts, END_OF_ARCHIVE]);
const only = (tar: Buffer) => {
  const { entries } = readTar(tar);
  expect(entries).toHaveLength(1);
  return entries[0]!;
};
/** A header with one numeric field as the given bytes. */
const withField = (offset: number, bytes: readonly number[]): Buffer => {
  const block = rawHeader({ name: 'x', type: '0', mode: 0, size: 0 });
  Buffer.from(bytes).copy(block, offset);
  return withChecksum(block);
};
const pax = (records: Record<string, string>): Buffer => file('x', '', { pax: records });
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_LAYER_INVALID', message: expect.stringMatching(message) });

describe('whatever the cuts', () => {
  const tar = archive(...allEntries());
  const whole = readTar(tar);

  it('hands every byte on once', () => {
    expect(whole.rebuilt.equals(tar)).toBe(true);
    expect(whole.entries.length).toBeGreaterThan(60);
  });
  it('reads byte by byte what it reads in one go', () => {
    expect(fingerprint(readTar(tar, everyByte(tar)))).toBe(fingerprint(whole));
  });
  it('reads pieces of any length the same', () => {
    for (const length of [2, 3, 511, 512, 513, 1000, 1024, 4096]) {
      const cuts = [...everyByte(tar)].filter((at) => at % length === 0);
      expect(fingerprint(readTar(tar, cuts)), `pieces of ${length}`).toBe(fingerprint(whole));
    }
  });
  it('reads a small archive cut in two anywhere', () => {
    const small = archive(
      file('long/'.repeat(30), 'contents', { type: '5', data: undefined }),
      file('a', 'x'.repeat(700), { mtime: '1.5' }),
      file('b'),
    );
    const expected = fingerprint(readTar(small));
    for (const at of everyByte(small))
      expect(fingerprint(readTar(small, [at])), `cut at ${at}`).toBe(expected);
  });
});

describe('formats that GNU tar writes', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gantry-tar-'));
    const script = `
      mkdir -p d/sub; printf hello > d/file; ln d/file d/hard; ln -s file d/sym; mkfifo d/fifo; : > d/empty
      touch -d @1600000000.123456789 d/file; head -c 3000 /dev/zero | tr '\\0' x > d/sub/big
      long=d/${'n'.repeat(120)}; mkdir $long; echo deep > $long/${'f'.repeat(150)}; ln -s ${'t'.repeat(200)} $long/link`;
    execFileSync('sh', ['-ec', script], { cwd: dir });
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const gnuTar = (...flags: string[]): Buffer =>
    execFileSync('tar', [...flags, '--sort=name', '-C', dir, '-cf', '-', 'd'], { maxBuffer: 1 << 28 });

  for (const format of ['gnu', 'oldgnu', 'posix'] as const) {
    it(`${format}: types, links, long names, contents`, () => {
      const tar = gnuTar(`--format=${format}`);
      const { entries, rebuilt } = readTar(tar, [1, 700, 1500, 5000]);
      expect(rebuilt.equals(tar)).toBe(true);
      const found = new Map(entries.map((entry) => [entry.name, entry]));
      const shape = Object.fromEntries(entries.map(({ name, type }) => [name.slice(0, 12), type]));
      expect(shape).toEqual({
        'd/': 'directory',
        'd/empty': 'file',
        'd/fifo': 'fifo',
        'd/file': 'file',
        'd/hard': 'link',
        'd/sym': 'symlink',
        'd/sub/': 'directory',
        'd/sub/big': 'file',
        'd/nnnnnnnnnn': 'symlink',
      });
      expect(found.get('d/file')?.content.toString()).toBe('hello');
      expect(found.get('d/file')?.mtimeNanos).toBe(format === 'posix' ? 123_456_789 : 0);
      expect(found.get('d/hard')?.linkname).toBe('d/file');
      expect(found.get('d/sub/big')?.content.toString()).toBe('x'.repeat(3000));
      const deep = `d/${'n'.repeat(120)}`;
      expect(found.get(`${deep}/${'f'.repeat(150)}`)?.content.toString()).toBe('deep\n');
      expect(found.get(`${deep}/link`)?.linkname).toBe('t'.repeat(200));
    });
  }
  it('ustar and v7', () => {
    for (const format of ['ustar', 'v7']) {
      const tar = execFileSync('tar', [
        `--format=${format}`,
        '-C',
        dir,
        '-cf',
        '-',
        'd/file',
        'd/hard',
        'd/sub',
      ]);
      expect(readTar(tar).entries.map(({ name, type, content }) => [name, type, content.length])).toEqual([
        ['d/file', 'file', 5],
        ['d/hard', 'link', 0],
        ['d/sub/', 'directory', 0],
        ['d/sub/big', 'file', 3000],
      ]);
    }
  });
});

describe('numbers', () => {
  const base256 = (value: bigint, length: number): number[] => {
    const bytes = Array.from({ length }, (_, at) => Number((value >> BigInt(8 * (length - 1 - at))) & 0xffn));
    bytes[0]! |= 0x80;
    return bytes;
  };
  it('reads base-256 ids, times and sizes', () => {
    expect(only(archive(withField(108, base256(4_000_000_000n, 8)))).uid).toBe(4_000_000_000);
    expect(only(archive(withField(136, base256(1n << 40n, 12)))).mtime).toBe(2 ** 40);
    expect(only(archive(withField(136, base256((1n << 96n) - 12_345n, 12)))).mtime).toBe(-12_345);
    const size = withField(124, base256(3n, 12));
    expect(only(archive(size, Buffer.from('abc'), Buffer.alloc(509))).content.toString()).toBe('abc');
  });
  it.each([
    ['a size beyond 2^53', withField(124, base256(1n << 60n, 12)), /bad size field/],
    ['a negative size', withField(124, base256((1n << 96n) - 1n, 12)), /bad size field/],
    ['a negative owner', withField(108, base256((1n << 64n) - 1n, 8)), /bad number/],
    ['letters', withField(108, [...Buffer.from('12zz567\0')]), /bad number/],
    ['a time beyond 2^53', withField(136, base256(1n << 70n, 12)), /bad number/],
    ['a pax size that is none', pax({ size: '1e3' }), /bad pax size/],
    ['a negative pax owner', pax({ uid: '-1' }), /bad pax uid/],
    ['a pax time that is none', pax({ mtime: 'yesterday' }), /bad pax mtime/],
  ])('refuses %s', (_, block, message) => {
    expect(() => readTar(archive(block))).toThrow(invalid(message));
  });
  it('a pax time before the epoch counts nanoseconds forward', () => {
    expect(only(archive(pax({ mtime: '-12345.5' })))).toMatchObject({
      mtime: -12_346,
      mtimeNanos: 500_000_000,
    });
    expect(only(archive(pax({ mtime: '-1' })))).toMatchObject({ mtime: -1, mtimeNanos: 0 });
    expect(only(archive(pax({ mtime: '1.1234567899' }))).mtimeNanos).toBe(123_456_789);
    expect(only(archive(pax({ mtime: '5.' })))).toMatchObject({ mtime: 5, mtimeNanos: 0 });
  });
  it('a pax size wins over the header', () => {
    const header = tarEntry({ name: 'x', type: '0', mode: 0o644, pax: { size: '4' } });
    expect(only(archive(header, Buffer.from('four'), Buffer.alloc(508))).content.toString()).toBe('four');
  });
});

describe('text', () => {
  it('keeps bytes that are no UTF-8, in names, links and xattrs', () => {
    const bytes = Array.from({ length: 255 }, (_, at) => String.fromCharCode(at + 1)).join('');
    const entry = only(
      archive(pax({ path: `d/${bytes}`, linkpath: bytes, 'SCHILY.xattr.user.b': `${bytes}\0=\n` })),
    );
    expect(entry.name).toBe(`d/${bytes}`);
    expect(entry.linkname).toBe(bytes);
    expect(entry.xattrs).toEqual(new Map([['user.b', `${bytes}\0=\n`]]));
  });
  it('an empty pax value takes the record back', () => {
    const entry = only(archive(pax({ path: '', mtime: '', 'SCHILY.xattr.user.empty': '' })));
    expect(entry).toMatchObject({ name: 'x', mtime: 0, xattrs: undefined });
  });
  it('a global header changes nothing, as for Go', () => {
    const body = Buffer.from('15 path=global\n');
    const global = rawHeader({ name: 'g', type: 'g', mode: 0, size: body.length });
    expect(only(archive(global, body, Buffer.alloc(512 - body.length), file('x'))).name).toBe('x');
  });
  it('v7 says directory by a slash', () => {
    const block = withField(0, [...Buffer.from('dir/')]);
    block[156] = 0;
    expect(only(archive(withChecksum(block))).type).toBe('directory');
  });
  it('takes a name that fills its field, and ustar’s prefix', () => {
    const block = rawHeader({ name: 'n'.repeat(100), type: '0', mode: 0, size: 0 });
    block.write('p'.repeat(155), 345);
    expect(only(archive(withChecksum(block))).name).toBe(`${'p'.repeat(155)}/${'n'.repeat(100)}`);
  });
  it('contents that a type without contents claims are none', () => {
    const block = rawHeader({ name: 'd/', type: '5', mode: 0o755, size: 1000 });
    expect(readTar(archive(block, file('x', 'y'))).entries.map(({ name }) => name)).toEqual(['d/', 'x']);
  });
  it.each([
    ['without a length', 'path=x\n'],
    ['longer than the header', '99 path=x\n'],
    ['that ends early', '9 path=xx\n'],
    ['without an equals sign', '8 pathx\n'],
    ['of no length', '0 path=x\n'],
    ['of negative length', '-5 path=x\n'],
  ])('refuses a pax record %s', (_, text) => {
    const body = Buffer.from(text);
    const header = rawHeader({ name: 'p', type: 'x', mode: 0, size: body.length });
    const tar = archive(header, body, Buffer.alloc(512 - body.length), file('x'));
    expect(() => readTar(tar)).toThrow(invalid(/malformed pax record at byte 512/));
  });
});

describe('refused', () => {
  it('a wrong checksum, with the offset', () => {
    const tar = archive(file('a', 'x'), file('b'));
    tar[1024] = 0x7a;
    expect(() => readTar(tar)).toThrow(invalid(/wrong header checksum at byte 1024/));
  });
  it('extended headers over 1 MiB, before they are read', () => {
    for (const type of ['x', 'g', 'L', 'K']) {
      const header = rawHeader({ name: 'p', type, mode: 0, size: 5 << 20 });
      expect(() => readTar(header)).toThrow(invalid(/extended header of 5242880 bytes/));
    }
  });
  it('types that no layer may hold', () => {
    const header = rawHeader({ name: 'm', type: 'M', mode: 0, size: 0 });
    expect(() => readTar(archive(header))).toThrow(invalid(/unsupported entry type "M"/));
  });
});

describe('ends', () => {
  const tar = archive(file('a', 'x'.repeat(600), { mtime: '1.5' }), file('b'));
  it('an archive cut anywhere but between entries is an error', () => {
    // pax header and its block, header, data, header: entries end at 2560 and 3072.
    const fine = new Set([0, 2560, 3072, 3584, 4096]);
    for (let at = 0; at <= tar.length; at++) {
      const read = () => readTar(tar.subarray(0, at));
      if (fine.has(at)) expect(read, `cut at ${at}`).not.toThrow();
      else expect(read, `cut at ${at}`).toThrow(invalid(/unexpected end of the archive/));
    }
  });
  it('one zero block ends it too, and what follows the end is kept but not read', () => {
    const rest = Buffer.concat([file('after'), Buffer.from('junk')]);
    for (const zeros of [512, 1024, 10_240]) {
      const whole = Buffer.concat([file('a', 'x'), Buffer.alloc(zeros), rest]);
      const { entries, rebuilt } = readTar(whole);
      expect(entries.map(({ name }) => name)).toEqual(['a']);
      expect(rebuilt.equals(whole)).toBe(true);
    }
  });
});
