/**
 * A small image that holds everything a layer can: written header by header, because no one tool makes it all.
 * Layers, bottom first: gzip of several members │ zstd │ uncompressed │ empty │ gzip.
 * DISPUTED names the paths where unpackers are known to differ, so that a comparison can treat them apart.
 */
import { type BuiltImage, buildImage } from '../../bench/images/layout.js';
import {
  END_OF_ARCHIVE,
  padded,
  rawHeader,
  type TarEntry,
  tarEntry,
  withChecksum,
} from '../../bench/images/tar-header.js';

/**
 * Paths where peers disagree (the root itself is ""; elsewhere with everything beneath), seen with umoci 0.4 and
 * podman 4.3. An unpacker may follow either there, and its tests say which and why.
 */
export const DISPUTED: Readonly<Record<string, string>> = {
  '': 'podman gives the root 0555 and the time of the unpacking',
  'lower/odd':
    'an upper layer adds to it without an entry: umoci keeps its attributes, podman and docker reset them',
  'lower/wiped-and-new':
    'whiteout and directory in one layer: umoci hides the lower content, podman lets it through',
  'lower/opaque-last/olddir': 'made before its parent’s opaque marker: umoci loses its time',
  'times/before-epoch': 'podman and docker clamp to 0',
  implicit: 'directories without an entry: their time is that of the unpacking',
};

/** Bytes that are no UTF-8. */
const ODD_BYTES = '\xff\xfe\x80';
/** CAP_NET_BIND_SERVICE, effective and permitted: struct vfs_cap_data, revision 2. */
export const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');
const LONG = `${'long-directory-name/'.repeat(10)}${'n'.repeat(255)}`;

const parent = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);

type Attributes = Partial<Omit<TarEntry, 'name' | 'type' | 'data'>>;
const entry =
  (type: string, mode: number) =>
  (name: string, more: Attributes = {}): Buffer =>
    tarEntry({ name, type, mode, mtime: 1_600_000_000, ...more });

const dir = (name: string, more?: Attributes): Buffer => entry('5', 0o755)(`${name}/`, more);
const file = (name: string, text: string, more: Attributes = {}): Buffer =>
  tarEntry({
    name,
    type: '0',
    mode: 0o644,
    mtime: 1_600_000_001,
    data: Buffer.from(text, 'latin1'),
    ...more,
  });
/** As real archivers do, `more` repeats the target's attributes: docker applies a hardlink header to the inode. */
const hardlink = (name: string, linkname: string, more: Attributes = {}): Buffer =>
  tarEntry({ name, type: '1', mode: 0o644, mtime: 1_600_000_001, linkname, ...more });
const symlink = (name: string, linkname: string): Buffer => entry('2', 0o777)(name, { linkname });
const device = (type: '3' | '4', name: string, major: number, minor: number): Buffer =>
  entry(type, 0o660)(name, { major, minor, gid: 6 });
const fifo = entry('6', 0o600);
/** `dir/name` hidden; '.wh..opq' as the name makes the directory itself opaque. */
const whiteout = (path: string): Buffer => file(`${parent(path)}.wh.${path.slice(parent(path).length)}`, '');
const opaque = (path: string): Buffer => file(`${path}/.wh..wh..opq`, '');

function bottom(options: TortureOptions): Buffer[] {
  const xattrs = {
    'SCHILY.xattr.security.capability': CAPABILITY.toString('latin1'),
    'SCHILY.xattr.user.bytes': `a=b\n\0${ODD_BYTES}`,
    'SCHILY.xattr.user.empty': '',
  };
  return [
    dir('modes'),
    file('modes/setuid', 'suid', { mode: 0o4755 }),
    file('modes/setgid', 'sgid', { mode: 0o2711, uid: 33, gid: 33 }),
    file('modes/none', 'none', { mode: 0 }),
    dir('modes/sticky', { mode: 0o1777 }),
    dir('modes/setgid-dir', { mode: 0o2775, gid: 42 }),
    file('modes/big-ids', 'ids', { uid: 3_000_000, gid: 4_000_000_000 }),
    file('modes/octal-ids', 'ids', { uid: 0o7777777, gid: 65534 }),
    dir('times', { mtime: '1700000000.111111111' }),
    file('times/nanoseconds', 'ns', { mtime: '1700000000.123456789' }),
    file('times/epoch', 'zero', { mtime: 0 }),
    file('times/before-epoch', 'old', { mtime: '-12345.5' }),
    file('times/after-2038', 'late', { mtime: '4500000000.000000001' }),
    entry('2', 0o777)('times/link', { linkname: 'nanoseconds', mtime: '1700000001.5' }),
    dir('xattrs', { pax: { 'SCHILY.xattr.user.on-dir': 'yes' } }),
    file('xattrs/capable', '#!/bin/true\n', { mode: 0o755, pax: xattrs }),
    file('xattrs/capable-owned', 'x', { mode: 0o755, uid: 1000, gid: 1000, pax: xattrs }),
    hardlink('xattrs/capable-link', 'xattrs/capable', { mode: 0o755, pax: xattrs }),
    dir('devices'),
    device('3', 'devices/null', 1, 3),
    device('3', 'devices/big', 240, 1_048_575),
    device('4', 'devices/loop0', 7, 0),
    fifo('devices/pipe', { mtime: '1700000002.25' }),
    ...names(),
    dir('links'),
    dir('links/other'),
    file('links/first', 'one inode', { uid: 7, mode: 0o640 }),
    hardlink('links/second', 'links/first', { uid: 7, mode: 0o640 }),
    hardlink('links/other/third', './links/second', { uid: 7, mode: 0o640 }),
    symlink('links/absolute', '/links/first'),
    symlink('links/dangling', '../no/such/place'),
    symlink('links/up-and-out', '../../../../etc/hostname'),
    symlink('links/long', `${'t'.repeat(120)}/${'u'.repeat(120)}`),
    hardlink('links/same-symlink', 'links/absolute', { mode: 0o777, mtime: 1_600_000_000 }),
    ...sparse(!options.forPeers),
    dir('real'),
    symlink('via', 'real'),
    file('via/through-a-symlink', 'lands in real/'),
    file('implicit/deep/er/file', 'parents have no entries', { mtime: '1700000003.75' }),
    ...(options.forPeers ? [] : twice()),
    ...lower(),
  ];
}

/** Two entries for one path: the last wins, and a link to the first keeps the first. */
function twice(): Buffer[] {
  return [
    dir('twice', { mode: 0o700 }),
    file('twice/file', 'first'),
    hardlink('twice/keeps-first', 'twice/file'),
    file('twice/file', 'second, which wins', { mode: 0o600 }),
    file('twice/becomes-link', 'file'),
    symlink('twice/becomes-link', 'file'),
    dir('twice', { mode: 0o711, uid: 5 }),
  ];
}

/** What the upper layers hide, replace and extend. */
function lower(): Buffer[] {
  const full = (name: string, more?: Attributes): Buffer[] => [
    dir(`lower/${name}`, more),
    file(`lower/${name}/old`, `old of ${name}`),
    dir(`lower/${name}/olddir`),
    file(`lower/${name}/olddir/deep`, 'deep'),
  ];
  return [
    dir('lower'),
    file('lower/removed', 'gone in layer 2'),
    ...full('removed-dir'),
    ...full('opaque-first'),
    ...full('opaque-last'),
    ...full('wiped-and-new'),
    ...full('comes-back'),
    file('lower/file-comes-back', 'first life'),
    ...full('dir-to-file'),
    file('lower/file-to-dir', 'a file'),
    symlink('lower/link-to-dir', 'odd'),
    ...full('dir-to-link'),
    ...full('odd', { mode: 0o2751, uid: 1234, gid: 5678, mtime: '1500000000.987654321' }),
    ...full('restyled', { mode: 0o700, uid: 11 }),
    dir('lower/group'),
    file('lower/group/a', 'a group of two'),
    hardlink('lower/group/b', 'lower/group/a'),
    file('lower/recapped', 'x', {
      pax: { 'SCHILY.xattr.security.capability': CAPABILITY.toString('latin1') },
    }),
  ];
}

function names(): Buffer[] {
  const odd = [
    ' leading and trailing ',
    'new\nline',
    'tab\tand\rreturn',
    'trailing.dots...',
    '...',
    '-rf',
    'back\\slash',
    'quote"\'`$(x)',
    'a.wh.b',
    'wh.not',
    '*?[x]',
    'Grüße-日本語',
    '\x7f\x01',
  ].map((name) => Buffer.from(name).toString('latin1'));
  const prefixed = rawHeader({ name: 'in-name-field', type: '0', mode: 0o644, size: 0 });
  prefixed.write('names/in-prefix-field', 345, 'latin1');
  const parts = LONG.split('/');
  return [
    dir('names'),
    ...[...odd, ODD_BYTES].map((name) => file(`names/${name}`, `named ${name}`)),
    // Without a PAX header: the bytes stand in ustar's own field.
    rawHeader({ name: `names/raw-${ODD_BYTES}`, type: '0', mode: 0o644, size: 0 }),
    dir('names/in-prefix-field'),
    withChecksum(prefixed),
    ...parts.slice(0, -1).map((_, depth) => dir(`names/${parts.slice(0, depth + 1).join('/')}`)),
    file(`names/${LONG}`, 'PAX path'),
    hardlink('names/to-long', `names/${LONG}`),
    ...gnuLong(`names/${LONG.replace(/n+$/, 'g'.repeat(200))}`, 'GNU L and K', `${'k'.repeat(150)}`),
    file('names/empty', ''),
  ];
}

/** GNU's own long names: a file through an L header, and beside it a symlink through L and K. */
function gnuLong(name: string, text: string, target: string): Buffer[] {
  const special = (type: 'L' | 'K', value: string): Buffer => {
    const body = Buffer.from(`${value}\0`, 'latin1');
    const header = rawHeader({ name: '././@LongLink', type, mode: 0, size: body.length }, GNU_MAGIC);
    return Buffer.concat([header, body, Buffer.alloc(padded(body.length) - body.length)]);
  };
  const data = Buffer.from(text);
  const plain = { name, mode: 0o644, mtime: 1_600_000_002 };
  return [
    special('L', name),
    rawHeader({ ...plain, type: '0', size: data.length }, GNU_MAGIC),
    data,
    Buffer.alloc(padded(data.length) - data.length),
    special('K', target),
    special('L', `${name}-link`),
    rawHeader({ ...plain, type: '2', linkname: target, size: 0 }, GNU_MAGIC),
  ];
}

const GNU_MAGIC = 'ustar  \0';
type Extent = readonly [offset: number, text: string];

/** The same kind of file in GNU's three sparse formats (tar manual, "Storing Sparse Files"). */
function sparse(old: boolean): Buffer[] {
  const extents: Extent[] = [
    [0, 'start'],
    [100_000, 'middle'.repeat(200)],
    [1_000_000, 'near the end'],
  ];
  const size = 1_048_577;
  // Six extents need an extension block in the old format, whose header has room for four.
  const many: Extent[] = [0, 1, 2, 3, 4, 5].map((index) => [index * 65_536, `extent ${index}`]);
  const data = Buffer.from(extents.map(([, text]) => text).join(''));
  const map = extents.map(([offset, text]) => `${offset},${text.length}`).join(',');
  const table = Buffer.from(`3\n${map.replaceAll(',', '\n')}\n`);
  const table512 = Buffer.concat([table, Buffer.alloc(padded(table.length) - table.length)]);
  const pax = (name: string, records: Record<string, string>, body: Buffer): Buffer =>
    tarEntry({
      name: `GNUSparseFile.1/${name}`,
      type: '0',
      mode: 0o644,
      mtime: 1_600_000_003,
      data: body,
      pax: records,
    });
  return [
    dir('sparse'),
    ...(old ? [oldSparse('sparse/old', extents, size), oldSparse('sparse/old-extended', many, 400_000)] : []),
    pax(
      'pax01',
      {
        'GNU.sparse.name': 'sparse/pax01',
        'GNU.sparse.size': `${size}`,
        'GNU.sparse.numblocks': '3',
        'GNU.sparse.map': map,
      },
      data,
    ),
    pax(
      'pax10',
      {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'sparse/pax10',
        'GNU.sparse.realsize': `${size}`,
      },
      Buffer.concat([table512, data]),
    ),
    pax(
      'hole',
      {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'sparse/hole',
        'GNU.sparse.realsize': '70000',
      },
      Buffer.concat([Buffer.from('1\n70000\n0\n'), Buffer.alloc(502)]),
    ),
  ];
}

/** Type S: extents in the header from byte 386, more of them (21 a block) where byte 482 is set; real size at 483. */
function oldSparse(name: string, extents: readonly Extent[], realSize: number): Buffer {
  const data = Buffer.from(extents.map(([, text]) => text).join(''));
  const octal = (block: Buffer, value: number, at: number): number =>
    block.write(`${value.toString(8).padStart(11, '0')}\0`, at, 'latin1');
  const write = (block: Buffer, at: number, list: readonly Extent[]): void => {
    for (const [index, [offset, text]] of list.entries()) {
      octal(block, offset, at + 24 * index);
      octal(block, text.length, at + 24 * index + 12);
    }
  };
  const header = rawHeader(
    { name, type: 'S', mode: 0o644, mtime: 1_600_000_004, size: data.length },
    GNU_MAGIC,
  );
  write(header, 386, extents.slice(0, 4));
  octal(header, realSize, 483);
  const rest = extents.slice(4);
  const extension = Buffer.alloc(rest.length > 0 ? 512 : 0);
  if (rest.length > 0) {
    header[482] = 1;
    write(extension, 0, rest);
  }
  return Buffer.concat([
    withChecksum(header),
    extension,
    data,
    Buffer.alloc(padded(data.length) - data.length),
  ]);
}

const upper = (): Buffer[] => [
  dir('lower'),
  whiteout('lower/removed'),
  whiteout('lower/removed-dir'),
  dir('lower/opaque-first', { mode: 0o750 }),
  opaque('lower/opaque-first'),
  file('lower/opaque-first/new', 'new'),
  dir('lower/opaque-last'),
  file('lower/opaque-last/new', 'new'),
  dir('lower/opaque-last/olddir'),
  file('lower/opaque-last/olddir/other', 'other'),
  opaque('lower/opaque-last'),
  whiteout('lower/wiped-and-new'),
  dir('lower/wiped-and-new', { uid: 77 }),
  file('lower/wiped-and-new/new', 'new'),
  whiteout('lower/comes-back'),
  whiteout('lower/file-comes-back'),
  file('lower/dir-to-file', 'now a file', { mode: 0o400 }),
  dir('lower/file-to-dir', { mode: 0o500 }),
  file('lower/file-to-dir/inside', 'now inside a directory'),
  dir('lower/link-to-dir'),
  file('lower/link-to-dir/inside', 'no longer a link'),
  symlink('lower/dir-to-link', 'opaque-first'),
  file('lower/odd/added', 'no entry for lower/odd'),
  dir('lower/restyled', {
    mode: 0o3777,
    gid: 12,
    mtime: '1650000000.000000001',
    pax: { 'SCHILY.xattr.user.style': 'new' },
  }),
  dir('lower/group'),
  whiteout('lower/group/a'),
  file('lower/recapped', 'x'),
  whiteout('lower/never-was'),
];

const back = (): Buffer[] => [
  dir('lower'),
  dir('names'),
  dir('lower/comes-back', { mode: 0o755 }),
  file('lower/comes-back/second-life', 'second'),
  file('lower/file-comes-back', 'second life', { mode: 0o755 }),
  dir('lower/dir-to-file', { mode: 0o711 }),
  file('lower/dir-to-file/again', 'a directory again'),
  file('lower/file-to-dir', 'a file again'),
  file('names/empty', 'no longer empty'),
];

const top = (): Buffer[] => [
  dir('top'),
  file('top/alone', 'last layer'),
  hardlink('top/twin', 'top/alone'),
  entry('5', 0o755)('./', { mtime: '1710000000.5' }),
];

export interface TortureOptions {
  /**
   * Leaves out what peers refuse: type S (docker, podman, umoci), two entries for one path (podman) and a zstd
   * layer (umoci 0.4), which is gzip instead.
   */
  readonly forPeers?: boolean;
}

/** The entries of all its layers, for tests of what reads them. */
export const allEntries = (): Buffer[] => [...bottom({}), ...upper(), ...back(), ...top()];

/** Builds the image as an OCI layout in `dir` (an empty directory), tagged `latest`. */
export function buildTortureImage(dir: string, options: TortureOptions = {}): Promise<BuiltImage> {
  const tar = (entries: readonly Buffer[]): Buffer[] => [Buffer.concat([...entries, END_OF_ARCHIVE])];
  return buildImage({
    dir,
    config: { Cmd: ['/bin/true'], Env: ['PATH=/bin'] },
    layers: [
      { createdBy: 'everything', from: tar(bottom(options)), gzipMember: 20_000 },
      { createdBy: 'hide and replace', from: tar(upper()), compression: options.forPeers ? 'gzip' : 'zstd' },
      { createdBy: 'put back', from: tar(back()), compression: 'none' },
      { createdBy: 'nothing', from: [END_OF_ARCHIVE] },
      { createdBy: 'top', from: tar(top()) },
    ],
  });
}
