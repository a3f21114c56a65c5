/**
 * One container's cgroup: a reader for each controller, wherever the host has it.
 *
 *   v1      { cpuacct, cpu, memory, io, pids } each a directory of its own hierarchy, /sys/fs/cgroup/memory/gantry/<id>
 *   v2      { unified } one directory, /sys/fs/cgroup/gantry/<id>
 *   hybrid  v1 directories, and `unified` for what v1 left over
 */
import { existsSync } from 'node:fs';
import { type KernelText, UNLIMITED } from '../kernel-text.js';
import type { CpuUse, IoUse, MemoryUse, PidsUse } from '../sample.js';
import { cpuV1 } from './cpu-v1.js';
import { cpuV2 } from './cpu-v2.js';
import { ioV1 } from './io-v1.js';
import { ioV2 } from './io-v2.js';
import { memoryV1 } from './memory-v1.js';
import { memoryV2 } from './memory-v2.js';
import { pids } from './pids.js';
import type { Reader } from './reader.js';

/** Directories of one container's cgroup, by v1 controller, and of v2. */
export interface CgroupDirectories {
  readonly cpuacct?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly blkio?: string;
  readonly pids?: string;
  readonly unified?: string;
}

export interface CgroupUse {
  readonly cpu: CpuUse;
  readonly memory: MemoryUse;
  readonly io: IoUse;
  readonly pids: PidsUse;
}

const absent = <Use>(use: Use): Reader<Use> => ({ read: () => use, close: () => {} });

const NO_CPU: CpuUse = { usage: 0, user: 0, kernel: 0, periods: 0, throttledPeriods: 0, throttledTime: 0 };
const NO_MEMORY: MemoryUse = { usage: 0, inactiveFile: 0, limit: 0, peak: undefined, oomKills: 0 };

export class Cgroup {
  readonly #cpu: Reader<CpuUse>;
  readonly #memory: Reader<MemoryUse>;
  readonly #io: Reader<IoUse>;
  readonly #pids: Reader<PidsUse>;

  private constructor(at: CgroupDirectories) {
    const { unified } = at;
    const v2 = <Use>(open: (directory: string) => Reader<Use> | undefined) => unified && open(unified);
    this.#cpu = (at.cpuacct ? cpuV1(at.cpuacct, at.cpu) : v2(cpuV2)) || absent(NO_CPU);
    this.#memory = (at.memory ? memoryV1(at.memory) : v2(memoryV2)) || absent(NO_MEMORY);
    this.#io = (at.blkio ? ioV1(at.blkio) : v2(ioV2)) || absent({ read: 0, written: 0 });
    this.#pids =
      (at.pids ? pids(at.pids) : v2(pids)) || absent({ current: 0, limit: UNLIMITED, peak: undefined });
  }

  /** Undefined when the cgroup is gone. */
  static open(at: CgroupDirectories): Cgroup | undefined {
    return Object.values(at).some((directory) => existsSync(directory)) ? new Cgroup(at) : undefined;
  }

  /** Undefined when the cgroup is gone. */
  read(text: KernelText): CgroupUse | undefined {
    const cpu = this.#cpu.read(text);
    const memory = cpu && this.#memory.read(text);
    const io = memory && this.#io.read(text);
    const processes = io && this.#pids.read(text);
    return processes && { cpu, memory, io, pids: processes };
  }

  close(): void {
    for (const reader of [this.#cpu, this.#memory, this.#io, this.#pids]) reader.close();
  }
}
