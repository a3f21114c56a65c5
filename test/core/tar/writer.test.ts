import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type NewEntry, paddingOf, TAR_END, tarHeader } from '../../../src/core/tar/writer.js';
import { readTar } from '../../helpers/read-tar.js';

const PLAIN: NewEntry = {
  type: 'file',
  name: 'a',
  linkname: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 1_700_000_000,
  mtimeNanos: 0,
  major: 0,
  minor: 0,
  xattrs: undefined,
};
const tar = (...entries: (NewEntry & { content?: string })[]) =>
  Buffer.concat([
    ...entries.flatMap(({ content = '', ...entry }) => {
      const bytes = Buffer.from(content);
      return [tarHeader({ ...entry, size: bytes.length }), bytes, paddingOf(bytes.length)];
    }),
    TAR_END,
  ]);

describe('tar headers', () => {
  it.each<[string, Partial<NewEntry>]>([
    ['a plain file', {}],
    ['a long name', { name: `${'d/'.repeat(60)}${'n'.repeat(200)}` }],
    ['bytes that are not UTF-8', { name: '\xff\xfe'.repeat(60) }],
    ['a long link', { type: 'symlink', linkname: 'x'.repeat(300) }],
    ['a hard link', { type: 'link', linkname: 'b' }],
    ['set-id bits and large ids', { mode: 0o6755, uid: 3_000_000_000, gid: 2_097_152 }],
    ['a fraction of a second', { mtime: 12, mtimeNanos: 30_000_000 }],
    ['a time before 1970', { mtime: -2, mtimeNanos: 750_000_000 }],
    ['a whole second before 1970', { mtime: -2 }],
    ['a far time', { mtime: 8 ** 11 + 5 }],
    ['a device', { type: 'block', major: 259, minor: 70_000 }],
    ['an attribute of any bytes', { xattrs: new Map([['security.capability', '\x01\n\0=\xff']]) }],
    [
      'attributes around the digits of a record',
      {
        xattrs: new Map([
          ['user.a', 'v'.repeat(73)],
          ['user.b', 'v'.repeat(972)],
        ]),
      },
    ],
  ])('%s comes back', (_what, changed) => {
    const { entries } = readTar(tar({ ...PLAIN, ...changed }));
    expect(entries).toEqual([expect.objectContaining({ ...PLAIN, ...changed })]);
  });

  it('says a size beyond the field', () => {
    const header = tarHeader({ ...PLAIN, size: 9 * 2 ** 30 });
    expect(header.toString('latin1')).toContain(' size=9663676416\n');
  });

  it('every length of a record counts itself', () => {
    for (let length = 101; length < 1010; length++) {
      expect(readTar(tar({ ...PLAIN, name: 'n'.repeat(length) })).entries[0]!.name).toHaveLength(length);
    }
  });

  it('GNU tar reads it', () => {
    const name = `${'directory/'.repeat(15)}file`;
    const listed = spawnSync('tar', ['--list', '--file', '-'], {
      input: tar({ ...PLAIN, content: 'x'.repeat(700) }, { ...PLAIN, name, content: 'y' }),
      encoding: 'utf8',
    });
    expect(listed).toMatchObject({ stdout: `a\n${name}\n`, stderr: '', status: 0 });
  });
});
