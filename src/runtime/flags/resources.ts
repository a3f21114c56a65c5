/**
 * Limits: `-m`, `--memory-swap`, `--memory-reservation`, `--memory-swappiness`, `--cpus`, `--cpu-period`, `--cpu-quota`,
 * `--cpu-shares`, `--cpuset-cpus`, `--cpuset-mems`, `--pids-limit`, `--ulimit`, read and checked by Docker's rules.
 */
import type { HostConfig, Ulimit } from '../create-request.js';
import type { RunFlags } from '../run-flags.js';
import { invalid, invalidFlag } from './invalid.js';
import { parseSize } from './size.js';

type Limits = Pick<
  HostConfig,
  | 'Memory'
  | 'MemorySwap'
  | 'MemoryReservation'
  | 'MemorySwappiness'
  | 'NanoCpus'
  | 'CpuPeriod'
  | 'CpuQuota'
  | 'CpuShares'
  | 'CpusetCpus'
  | 'CpusetMems'
  | 'PidsLimit'
>;

const MIN_MEMORY = 6 * 1024 * 1024;

/** The rlimits of getrlimit(2) under Docker's names. */
export const ULIMITS = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]; // prettier-ignore

function size(value: string, flag: string): number {
  try {
    return parseSize(value);
  } catch (error) {
    throw invalidFlag(value, flag, (error as Error).message);
  }
}

export function integer(value: string | undefined, flag: string): number | undefined {
  if (value === undefined) return undefined;
  if (!/^-?\d+$/.test(value)) throw invalidFlag(value, flag, 'expected a whole number');
  return Number(value);
}

/** CPUs as a decimal number, kept in billionths. */
export function parseCpus(text: string): number {
  if (!/^\d*\.?\d+$/.test(text))
    throw invalidFlag(text, '--cpus', `failed to parse ${text} as a rational number`);
  const nano = Math.round(Number(text) * 1e9);
  if (Math.abs(Number(text) * 1e9 - nano) > 1e-3) throw invalidFlag(text, '--cpus', 'value is too precise');
  return nano;
}

/** `0-2,5`: a list of CPUs or memory nodes, as cpuset(7) reads it. */
function cpuset(value: string, flag: string): string {
  if (/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(value) || value === '') return value;
  throw invalidFlag(value, flag, `invalid value ${value} for cpuset`);
}

/** One `--ulimit NAME=SOFT[:HARD]`; -1 is unlimited. */
export function parseUlimit(text: string): Ulimit {
  const [name, values, ...more] = text.split('=');
  if (name === undefined || values === undefined || more.length > 0)
    throw invalid(`invalid ulimit argument: ${text}`);
  if (!ULIMITS.includes(name)) throw invalid(`invalid ulimit type: ${name}`);
  const limits = values.split(':');
  if (limits.length > 2) {
    throw invalid(`too many limit value arguments - ${values}, can only have up to two, \`soft[:hard]\``);
  }
  if (!limits.every((limit) => /^(-1|\d+)$/.test(limit))) throw invalid(`invalid ulimit argument: ${text}`);
  const [Soft, Hard = Soft] = limits.map(Number) as [number, number?];
  if (Hard !== -1 && (Soft === -1 || Soft > Hard)) {
    throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  }
  return { Name: name, Soft, Hard };
}

/** Docker's rules between the limits. Also for requests that did not come from flags. */
export function checkLimits(limits: Partial<Limits>, cpuCount: number): void {
  const { Memory = 0, MemorySwap = 0, MemoryReservation = 0, MemorySwappiness } = limits;
  if (Memory !== 0 && Memory < MIN_MEMORY) throw invalid('Minimum memory limit allowed is 6MB');
  if (Memory > 0 && MemorySwap > 0 && MemorySwap < Memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (Memory === 0 && MemorySwap > 0) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (Memory > 0 && MemoryReservation > Memory) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  const swappiness = MemorySwappiness ?? 0;
  if (swappiness < 0 || swappiness > 100) {
    throw invalid(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  checkCpus(limits, cpuCount);
}

function checkCpus({ NanoCpus = 0, CpuPeriod = 0, CpuQuota = 0 }: Partial<Limits>, cpuCount: number): void {
  if (NanoCpus > 0 && (CpuPeriod > 0 || CpuQuota > 0)) {
    throw invalid(
      `Conflicting options: Nano CPUs and CPU ${CpuPeriod > 0 ? 'Period' : 'Quota'} cannot both be set`,
    );
  }
  if (CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (CpuQuota > 0 && CpuQuota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (NanoCpus < 0 || NanoCpus > cpuCount * 1e9) {
    throw invalid(
      `range of CPUs is from 0.01 to ${cpuCount}.00, as there are only ${cpuCount} CPUs available`,
    );
  }
}

/** Those limits that were given. The rules between them are for `checkLimits`. */
export function givenLimits(flags: RunFlags): Partial<Limits> {
  const pids = integer(flags.pidsLimit, '--pids-limit');
  const shares = integer(flags.cpuShares, '--cpu-shares');
  const period = integer(flags.cpuPeriod, '--cpu-period');
  const quota = integer(flags.cpuQuota, '--cpu-quota');
  return {
    ...(flags.memory === undefined ? {} : { Memory: size(flags.memory, '-m, --memory') }),
    ...(flags.memorySwap === undefined
      ? {}
      : { MemorySwap: flags.memorySwap === '-1' ? -1 : size(flags.memorySwap, '--memory-swap') }),
    ...(flags.memoryReservation === undefined
      ? {}
      : { MemoryReservation: size(flags.memoryReservation, '--memory-reservation') }),
    ...(flags.cpus === undefined ? {} : { NanoCpus: parseCpus(flags.cpus) }),
    ...(period === undefined ? {} : { CpuPeriod: period }),
    ...(quota === undefined ? {} : { CpuQuota: quota }),
    ...(shares === undefined ? {} : { CpuShares: shares }),
    ...(flags.cpusetCpus === undefined ? {} : { CpusetCpus: cpuset(flags.cpusetCpus, '--cpuset-cpus') }),
    ...(flags.cpusetMems === undefined ? {} : { CpusetMems: cpuset(flags.cpusetMems, '--cpuset-mems') }),
    ...(pids === undefined ? {} : { PidsLimit: pids }),
  };
}

const NO_LIMITS: Limits = {
  Memory: 0,
  MemorySwap: 0,
  MemoryReservation: 0,
  MemorySwappiness: null,
  NanoCpus: 0,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuShares: 0,
  CpusetCpus: '',
  CpusetMems: '',
};

/** The limits among the flags, checked against a machine of `cpuCount` CPUs. */
export function limitsOf(flags: RunFlags, cpuCount: number): Limits {
  // -1 is docker's word for the system's own.
  const swappiness = integer(flags.memorySwappiness, '--memory-swappiness') ?? -1;
  const limits = {
    ...NO_LIMITS,
    ...givenLimits(flags),
    ...(swappiness === -1 ? {} : { MemorySwappiness: swappiness }),
  };
  checkLimits(limits, cpuCount);
  return limits;
}
