/**
 * Which cgroups the host has, from /proc/self/mountinfo:
 *
 *   v2      cgroup2 on /sys/fs/cgroup
 *   v1      a hierarchy for each controller, /sys/fs/cgroup/memory …
 *   hybrid  v1, and a cgroup2 beside it (/sys/fs/cgroup/unified), which may hold controllers that v1 left over
 *
 * and the directory of one container's cgroup, `/gantry/<id>`, in them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CgroupLayout {
  readonly version: 'v1' | 'v2' | 'hybrid';
  /** v1 controllers and their mount points; for v2 those of `cgroup.controllers`, all on one mount point. */
  readonly controllers: ReadonlyMap<string, string>;
  /** The cgroup2 mount beside v1 hierarchies, with the controllers that it still holds. */
  readonly unified?: { readonly path: string; readonly controllers: readonly string[] };
  /** Whether swap can be limited (v1: `memory.memsw.*`; v2: the kernel was built with swap). */
  readonly swapLimit: boolean;
  /** Whether block I/O has weights (v1: CFQ's `blkio.weight`; v2: with the `io` controller). */
  readonly blockWeight: boolean;
}

export interface CgroupFiles {
  read(path: string): string | undefined;
  exists(path: string): boolean;
}

export const hostFiles: CgroupFiles = {
  read: (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  },
  exists: existsSync,
};

interface MountLine {
  readonly target: string;
  readonly type: string;
  readonly options: readonly string[];
}

function mountLines(mountinfo: string): MountLine[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const target = before?.split(' ')[4];
    const [type, , options] = after?.split(' ') ?? [];
    return target === undefined || type === undefined
      ? []
      : [{ target, type, options: (options ?? '').split(',') }];
  });
}

const V1 = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'devices',
  'freezer',
  'blkio',
  'pids',
  'hugetlb',
  'net_cls',
  'net_prio',
  'perf_event',
  'rdma',
  'misc',
];

/** Takes the files as an argument, so that a table of texts stands for any host. */
export function cgroupLayout(files: CgroupFiles = hostFiles): CgroupLayout {
  const lines = mountLines(files.read('/proc/self/mountinfo') ?? '');
  const v2 = lines.find((line) => line.type === 'cgroup2');
  const v2controllers =
    (v2 && files.read(join(v2.target, 'cgroup.controllers'))?.trim().split(/\s+/).filter(Boolean)) ?? [];
  const v1 = new Map<string, string>();
  for (const line of lines.filter((one) => one.type === 'cgroup')) {
    for (const option of line.options) if (V1.includes(option)) v1.set(option, line.target);
  }
  if (v1.size === 0 && v2 !== undefined) {
    return {
      version: 'v2',
      controllers: new Map(v2controllers.map((name) => [name, v2.target])),
      swapLimit: files.exists('/proc/swaps'),
      blockWeight: v2controllers.includes('io'),
    };
  }
  const memory = v1.get('memory');
  const blkio = v1.get('blkio');
  return {
    version: v2 === undefined ? 'v1' : 'hybrid',
    controllers: v1,
    ...(v2 === undefined ? {} : { unified: { path: v2.target, controllers: v2controllers } }),
    swapLimit: memory !== undefined && files.exists(join(memory, 'memory.memsw.limit_in_bytes')),
    blockWeight: blkio !== undefined && files.exists(join(blkio, 'blkio.weight')),
  };
}

export const cgroupsPath = (id: string): string => `/gantry/${id}`;
