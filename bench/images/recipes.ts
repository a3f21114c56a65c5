/**
 * The real images: each a stack of Debian packages and a few files, shaped like the ones people pull.
 *
 *   redis   4 layers: base, tools, redis-server, redis.conf        ~0.17 GB
 *   python  7 uneven layers: a data stack with notebooks           ~1.2 GB, many files
 *   huge    2 layers, the second of them with compilers            ~1.1 GB in one layer
 *   small   4 layers of kernel and C++ headers and node modules    ~0.8 GB, 110,000 files
 *
 * All share their base layer byte for byte, as images of one family do.
 */
import type { ContainerConfig } from '../../src/core/oci/image-config.js';
import type { TarEntry } from './tar-header.js';

export interface LayerRecipe {
  readonly createdBy: string;
  /** Package names or apt patterns; what they depend on comes with them unless a lower layer has it. */
  readonly packages?: readonly string[];
  readonly first?: readonly TarEntry[];
  readonly extra?: readonly TarEntry[];
}

export interface ImageRecipe {
  readonly layers: readonly LayerRecipe[];
  readonly config: ContainerConfig;
}

export const IMAGE_NAMES = ['redis', 'python', 'huge', 'small'] as const;
export type ImageName = (typeof IMAGE_NAMES)[number];

const MTIME = 1735689600;
const file = (name: string, text: string, mode = 0o644): TarEntry => ({
  name,
  type: '0',
  mode,
  mtime: MTIME,
  data: Buffer.from(text),
});
const dir = (name: string, owner: { uid?: number; gid?: number } = {}): TarEntry => ({
  name: `${name}/`,
  type: '5',
  mode: 0o755,
  mtime: MTIME,
  ...owner,
});
const link = (name: string, linkname: string): TarEntry => ({
  name,
  type: '2',
  mode: 0o777,
  mtime: MTIME,
  linkname,
});

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const PASSWD = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;
const GROUP = `root:x:0:
daemon:x:1:
tty:x:5:
shadow:x:42:
www-data:x:33:
nogroup:x:65534:
`;

const base: LayerRecipe = {
  createdBy: 'apt-get install ?essential apt  # Debian 12',
  packages: ['?essential', 'apt'],
  first: [
    dir('usr'),
    ...['bin', 'sbin', 'lib'].map((name) => link(name, `usr/${name}`)),
    link('lib64', 'usr/lib64'),
    dir('etc'),
  ],
  extra: [
    file('etc/passwd', PASSWD),
    file('etc/group', GROUP),
    file('etc/hostname', 'localhost\n'),
    link('usr/bin/awk', 'mawk'),
    link('usr/bin/which', 'which.debianutils'),
  ],
};

const layer = (...packages: string[]): LayerRecipe => ({
  createdBy: `apt-get install --no-install-recommends ${packages.join(' ')}`,
  packages,
});

const REDIS_CONF = `# redis.conf of the gantry quickstart
bind * -::*
protected-mode no
port 6379
dir /data
save 60 1000
appendonly yes
maxmemory-policy allkeys-lru
`;

export const RECIPES: Readonly<Record<ImageName, ImageRecipe>> = {
  redis: {
    config: {
      Env: [PATH, 'REDIS_CONF=/usr/local/etc/redis/redis.conf'],
      Cmd: ['redis-server', '/usr/local/etc/redis/redis.conf'],
      ExposedPorts: { '6379/tcp': {} },
      Volumes: { '/data': {} },
      WorkingDir: '/data',
      Labels: { 'org.opencontainers.image.title': 'redis' },
    },
    layers: [
      base,
      layer('procps', 'ca-certificates'),
      {
        ...layer('redis-server'),
        extra: [
          file('etc/passwd', `${PASSWD}redis:x:999:999::/data:/usr/sbin/nologin\n`),
          file('etc/group', `${GROUP}redis:x:999:\n`),
          dir('data', { uid: 999, gid: 999 }),
        ],
      },
      {
        createdBy: 'COPY redis.conf /usr/local/etc/redis/redis.conf',
        extra: [
          ...['usr', 'usr/local', 'usr/local/etc', 'usr/local/etc/redis'].map((name) => dir(name)),
          file('usr/local/etc/redis/redis.conf', REDIS_CONF),
        ],
      },
    ],
  },
  python: {
    config: { Env: [PATH], Cmd: ['python3'], WorkingDir: '/srv' },
    layers: [
      base,
      layer('python3', 'python3-pip', 'ca-certificates', 'curl'),
      layer('python3-numpy', 'python3-scipy'),
      layer('python3-pandas', 'python3-matplotlib'),
      layer('python3-sklearn', 'python3-skimage'),
      layer('python3-notebook', 'python3-sympy', 'python3-networkx'),
      {
        createdBy: 'COPY main.py /srv/main.py',
        extra: [dir('srv'), file('srv/main.py', 'import numpy\nprint(numpy.arange(10).sum())\n')],
      },
    ],
  },
  huge: {
    config: { Env: [PATH], Cmd: ['bash'] },
    layers: [base, layer('clang-14', 'rustc', 'golang-1.19-go')],
  },
  small: {
    config: { Env: [PATH], Cmd: ['bash'] },
    layers: [
      base,
      layer('?name(^linux-headers-6\\.1\\.0-.*-common$)'),
      layer('libboost1.74-dev'),
      layer('npm', 'webpack', 'eslint'),
    ],
  },
};
