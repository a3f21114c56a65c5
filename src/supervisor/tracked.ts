/** A container under watch: its first process, its cgroup and its network, with their files open. */
import { Cgroup, type CgroupDirectories } from './cgroup/cgroup.js';
import type { KernelText } from './kernel-text.js';
import { Network } from './network.js';
import { TrackedProcess } from './process.js';
import type { NetworkUse, Sample, SystemUse } from './sample.js';

export interface Target {
  readonly id: string;
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: with the pid it names one process. */
  readonly startTicks: number;
  readonly cgroup: CgroupDirectories;
  /** False for a container in the host's network, whose traffic is not its own. */
  readonly ownNetwork: boolean;
}

export interface Host {
  readonly use: SystemUse;
  readonly memory: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const NO_NETWORK: NetworkUse = { received: 0, sent: 0 };

export class Tracked {
  readonly target: Target;
  readonly #process: TrackedProcess;
  readonly #cgroup: Cgroup;
  readonly #network: Network | undefined;
  #last: Sample | undefined;

  private constructor(target: Target, process: TrackedProcess, cgroup: Cgroup, network: Network | undefined) {
    this.target = target;
    this.#process = process;
    this.#cgroup = cgroup;
    this.#network = network;
  }

  /** Undefined when it has ended already. */
  static open(target: Target, proc: string, text: KernelText): Tracked | undefined {
    const process = TrackedProcess.open(proc, target.pid, target.startTicks, text);
    const cgroup = process && Cgroup.open(target.cgroup);
    if (cgroup === undefined) {
      process?.close();
      return undefined;
    }
    const network = target.ownNetwork ? Network.open(`${proc}/${target.pid}/net/dev`) : undefined;
    return new Tracked(target, process!, cgroup, network);
  }

  /** The last sample that was taken. */
  get last(): Sample | undefined {
    return this.#last;
  }

  /**
   * Takes a sample; false when the container has ended. The process is looked at first: what its cgroup, if that is
   * still there, tells afterwards is the whole.
   */
  sample(text: KernelText, host: Host): boolean {
    const lives = this.#process.lives(text);
    const use = this.#cgroup.read(text);
    if (use === undefined) return false;
    const before = this.#last;
    const { id, pid } = this.target;
    const { limit } = use.memory;
    this.#last = {
      id,
      pid,
      at: host.now,
      ...use,
      memory: { ...use.memory, limit: Math.min(limit, host.memory) },
      network: this.#network?.read(text) ?? before?.network ?? NO_NETWORK,
      system: host.use,
      ...(before === undefined
        ? {}
        : { before: { at: before.at, cpuUsage: before.cpu.usage, systemUsage: before.system.usage } }),
    };
    return lives;
  }

  close(): void {
    this.#process.close();
    this.#cgroup.close();
    this.#network?.close();
  }
}
