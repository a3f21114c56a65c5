/**
 * What this machine is: kernel, distribution, cgroups, and the programs that run containers. Read from /proc, /sys
 * and the programs' own `--version`; nothing is changed.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { cpus, hostname, machine, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** include/uapi/linux/magic.h */
const CGROUP2_MAGIC = 0x63677270;
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'extfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  801189825: 'zfs',
  4076150800: 'f2fs',
  26985: 'nfs',
};

export interface Host {
  readonly name: string;
  readonly kernel: string;
  readonly operatingSystem: string;
  readonly architecture: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly cgroup: CgroupLayout;
}

export interface CgroupLayout {
  /** Hybrid counts as 1, as docker tells it: its controllers are on the v1 side. */
  readonly version: 1 | 2;
  readonly hybrid: boolean;
  readonly controllers: readonly string[];
}

export interface Program {
  readonly name: string;
  readonly path: string;
  readonly version: string;
}

export function readHost(): Host {
  return {
    name: hostname(),
    kernel: release(),
    operatingSystem: /^PRETTY_NAME="?([^"\n]*)/m.exec(readText('/etc/os-release'))?.[1] ?? 'Linux',
    architecture: machine(),
    cpus: cpus().length,
    memory: totalmem(),
    cgroup: readCgroups(),
  };
}

export function readCgroups(): CgroupLayout {
  if (existsSync('/sys/fs/cgroup') && statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC) {
    const controllers = readText('/sys/fs/cgroup/cgroup.controllers').split(/\s+/).filter(Boolean);
    return { version: 2, hybrid: false, controllers };
  }
  const controllers = readText('/proc/mounts')
    .split('\n')
    .filter((line) => line.split(' ')[2] === 'cgroup')
    .flatMap((line) => line.split(' ')[3]!.split(','))
    .filter((option) => /^(cpu|cpuacct|cpuset|memory|pids|blkio|devices|freezer|hugetlb)$/.test(option));
  return { version: 1, hybrid: existsSync('/sys/fs/cgroup/unified'), controllers: [...new Set(controllers)] };
}

/** "extfs", or the magic number in hex, of the file system of `path` or of what is above it. */
export function fileSystemOf(path: string): string {
  const { type } = statfsSync(nearestExisting(path));
  return FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`;
}

export function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(join(path, '..'));
}

/** The program on PATH or in the system's sbin, with the version that it tells; undefined when it is not there. */
export function findProgram(name: string): Program | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].filter(Boolean);
  const path = folders.map((folder) => join(folder, name)).find(isExecutable);
  if (path === undefined) return undefined;
  let told = '';
  try {
    told = execFileSync(path, ['--version'], {
      encoding: 'utf8',
      timeout: 5000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    // a program that does not answer is there all the same
  }
  return { name, path, version: /version:?\s+v?(\S+)/i.exec(told)?.[1] ?? 'unknown' };
}

/**
 * Why a runtime is dangerous as it is: CVE-2025-31133, -52565 and -52881 let an image write to the host through masked
 * paths and /dev/console; fixed in runc 1.2.8, 1.3.3 and 1.4.0-rc.3. Distributions backport under their own versions.
 */
export function knownBad({ name, version }: Program): string | undefined {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.map(Number) ?? [];
  if (name !== 'runc' || major !== 1 || minor === undefined || patch === undefined) return undefined;
  const fixed = minor >= 4 || (minor === 3 && patch >= 3) || (minor === 2 && patch >= 8);
  return fixed
    ? undefined
    : `runc ${version} may have CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881 (fixed in 1.2.8 and 1.3.3, unless your distribution backported them)`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
