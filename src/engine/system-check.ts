/** `gantry system check`: whether this machine can pull and run, and the command that gets what is missing. */
import { existsSync } from 'node:fs';
import { loadLibrary } from '../core/ffi.js';
import { networkPrograms } from '../runtime/network/cni.js';
import { fileSystemOf, findProgram, knownBad, readCgroups, readHost, readText } from './host.js';
import { probeRoot } from './root-probe.js';

export interface Check {
  readonly group: 'kernel' | 'cgroups' | 'programs' | 'libraries' | 'rights' | 'store';
  readonly name: string;
  /** `missing` is an error when `required`; `warning` works, but not well. */
  readonly status: 'ok' | 'warning' | 'missing';
  readonly required: boolean;
  readonly found: string;
  /** What to do about it. */
  readonly hint?: string;
}

export interface CheckReport {
  readonly ok: boolean;
  readonly checks: readonly Check[];
  /** One command that installs all that is missing and comes in packages. */
  readonly install?: string;
}

const NAMESPACES = ['mnt', 'pid', 'ipc', 'uts', 'net', 'cgroup'];
const CONTROLLERS = ['memory', 'cpu', 'pids', 'cpuset'];
const LIBRARIES = [
  { soname: 'libisal.so.2', package: 'libisal2', use: 'the fastest gzip' },
  { soname: 'libz.so.1', package: 'zlib1g', use: 'gzip without libisal2' },
  { soname: 'liblz4.so.1', package: 'liblz4-1', use: 'load from lz4 archives, and the fastest lz4' },
  { soname: 'libzstd.so.1', package: 'libzstd1', use: 'zstd layers' },
];

export function checkSystem(root: string): CheckReport {
  const checks = [
    ...kernelChecks(),
    ...cgroupChecks(),
    ...programChecks(),
    ...libraryChecks(),
    ...rootChecks(root),
  ];
  const packages = checks.flatMap(({ hint }) => /^apt-get install (\S+)$/.exec(hint ?? '')?.[1] ?? []);
  return {
    ok: checks.every((check) => check.status !== 'missing' || !check.required),
    checks,
    ...(packages.length > 0 ? { install: `apt-get install ${packages.join(' ')}` } : {}),
  };
}

function kernelChecks(): Check[] {
  const { kernel } = readHost();
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const recent = major > 5 || (major === 5 && minor >= 6);
  const spaces = NAMESPACES.filter((name) => !existsSync(`/proc/self/ns/${name}`));
  const seccomp = /^Seccomp:/m.test(readText('/proc/self/status'));
  return [
    {
      group: 'kernel',
      name: 'version',
      status: recent ? 'ok' : 'missing',
      required: true,
      found: kernel,
      ...(recent ? {} : { hint: 'Linux 5.6 or later: openat2 keeps hostile layers inside their directory' }),
    },
    {
      group: 'kernel',
      name: 'namespaces',
      status: spaces.length === 0 ? 'ok' : 'missing',
      required: true,
      found: spaces.length === 0 ? NAMESPACES.join(' ') : `not there: ${spaces.join(' ')}`,
    },
    {
      group: 'kernel',
      name: 'seccomp',
      status: seccomp ? 'ok' : 'warning',
      required: false,
      found: seccomp ? 'filters' : 'not in this kernel: containers run without a system call filter',
    },
  ];
}

function cgroupChecks(): Check[] {
  const { version, hybrid, controllers } = readCgroups();
  const lacking = CONTROLLERS.filter((name) => !controllers.includes(name));
  return [
    {
      group: 'cgroups',
      name: 'controllers',
      status: lacking.length === 0 ? 'ok' : 'warning',
      required: false,
      found: `v${version}${hybrid ? ' (hybrid)' : ''}: ${controllers.join(' ') || 'none'}`,
      ...(lacking.length === 0 ? {} : { hint: `limits that need ${lacking.join(', ')} will not work` }),
    },
  ];
}

function programChecks(): Check[] {
  const runtimes = ['crun', 'runc'].map((name) => ({ name, program: findProgram(name) }));
  const have = runtimes.some(({ program }) => program !== undefined);
  const checks = runtimes.map(({ name, program }): Check => {
    const bad = program && knownBad(program);
    return {
      group: 'programs',
      name,
      status: program === undefined ? (have ? 'ok' : 'missing') : bad ? 'warning' : 'ok',
      required: !have,
      found: program
        ? `${program.path} ${program.version}`
        : have
          ? 'not installed, not needed'
          : 'not installed',
      ...(bad ? { hint: bad } : !have && name === 'crun' ? { hint: 'apt-get install crun' } : {}),
    };
  });
  const conmon = findProgram('conmon');
  return [
    ...checks,
    {
      group: 'programs',
      name: 'conmon',
      status: conmon ? 'ok' : 'missing',
      required: false,
      found: conmon ? `${conmon.path} ${conmon.version}` : 'not installed: no detached containers',
      ...(conmon ? {} : { hint: 'apt-get install conmon' }),
    },
    ...networkPrograms().map(
      ({ package: name, missing }): Check => ({
        group: 'programs',
        name,
        status: missing.length === 0 ? 'ok' : 'missing',
        required: false,
        found:
          missing.length === 0
            ? 'for networks'
            : `no ${missing.join(', ')}: only --network none and host (GANTRY_DEFAULT_NETWORK)`,
        ...(missing.length === 0 ? {} : { hint: `apt-get install ${name}` }),
      }),
    ),
  ];
}

function libraryChecks(): Check[] {
  return LIBRARIES.map(({ soname, package: name, use }) => {
    const there = loadLibrary(soname) !== undefined;
    return {
      group: 'libraries',
      name: soname,
      status: there ? 'ok' : 'missing',
      required: false,
      found: there ? use : `not installed: ${use}`,
      ...(there ? {} : { hint: `apt-get install ${name}` }),
    };
  });
}

function rootChecks(root: string): Check[] {
  const isRoot = process.geteuid?.() === 0;
  const rights: Check = {
    group: 'rights',
    name: 'root',
    status: isRoot ? 'ok' : 'missing',
    required: true,
    found: isRoot ? 'yes' : `no: user id ${process.geteuid?.()}`,
    ...(isRoot ? {} : { hint: 'run gantry as root: it mounts, and keeps the owners of files' }),
  };
  const probe = probeRoot(root);
  const tried = (name: string, result: true | string): Check => ({
    group: 'store',
    name,
    status: result === true ? 'ok' : 'missing',
    required: true,
    found: result === true ? `yes: ${root} is on ${fileSystemOf(root)}` : result,
    ...(result === true || !isRoot ? {} : { hint: 'choose a --root on ext4, xfs (ftype=1) or btrfs' }),
  });
  return [
    rights,
    tried('writable', probe.writable),
    tried('d_type', probe.directoryTypes),
    tried('trusted xattrs', probe.trustedXattrs),
    tried('overlay mount', probe.overlay),
  ];
}
