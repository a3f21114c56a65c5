/**
 * Watches containers: a sample of each at every tick, and a word when one ends or has lost a process to the OOM killer.
 *
 *   new ──start──► running ──stop──► stopped        track and untrack do nothing but in `running`
 *
 * A container's first sample is taken when it is tracked, so the next tick can tell what it used in between. Ticks keep
 * to their beat: a late one does not put off the next. A consumer that has not taken the last samples gets none until
 * it has, and then the newest; ends and OOM kills are always told.
 */
import { unreachable } from '../core/errors.js';
import { toWire } from '../core/wire-error.js';
import type { Clock } from './clock.js';
import { KernelText } from './kernel-text.js';
import type { Notice, Request } from './messages.js';
import type { Sample } from './sample.js';
import { System, totalMemory } from './system.js';
import { type Host, type Target, Tracked } from './tracked.js';

export interface SupervisorOptions {
  /** "/proc". */
  readonly proc: string;
  readonly clock: Clock;
  /** Milliseconds between ticks. */
  readonly interval: number;
  /** Milliseconds before the first tick. */
  readonly first: number;
  readonly tell: (notice: Notice) => void;
  /** False while the consumer has not taken the samples told last. */
  readonly taken: () => boolean;
}

interface Entry {
  readonly tracked: Tracked;
  oomKills: number;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #text = new KernelText();
  readonly #entries = new Map<string, Entry>();
  readonly #system: System;
  readonly #memory: number;
  #state: 'new' | 'running' | 'stopped' = 'new';
  #due = 0;
  #cancelTick = (): void => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#memory = totalMemory(options.proc, this.#text);
    this.#system = new System(options.proc);
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    const { clock, first, tell } = this.#options;
    this.#due = clock.now() + first;
    this.#cancelTick = clock.after(first, () => this.#beat());
    tell({ tell: 'started' });
  }

  handle(request: Request): void {
    if (this.#state !== 'running') return;
    switch (request.ask) {
      case 'track':
        this.#track(request.target);
        break;
      case 'untrack':
        this.#drop(request.id);
        break;
      case 'stop':
        this.#stop();
        break;
      default:
        unreachable(request);
    }
  }

  /** Samples every container once. */
  tick(): void {
    const host = this.#host();
    const samples: Sample[] = [];
    for (const [id, entry] of this.#entries) {
      if (this.#sample(id, entry, host)) samples.push(entry.tracked.last!);
    }
    if (this.#options.taken()) this.#options.tell({ tell: 'sample', samples });
  }

  #beat(): void {
    this.tick();
    const { clock, interval } = this.#options;
    const now = clock.now();
    // Timers also fire a little early. Beats that were missed, or come so soon that a percentage of the time between
    // would be mostly noise, are left out.
    do this.#due += interval;
    while (this.#due - now < interval / 2);
    this.#cancelTick = clock.after(this.#due - now, () => this.#beat());
  }

  #host(): Host {
    return { use: this.#system.read(this.#text), memory: this.#memory, now: this.#options.clock.now() };
  }

  #track(target: Target): void {
    const { id, pid } = target;
    const { proc, tell } = this.#options;
    this.#drop(id);
    let tracked: Tracked | undefined;
    try {
      tracked = Tracked.open(target, proc, this.#text);
    } catch (error) {
      tell({ tell: 'error', id, pid, error: toWire(error) });
      return;
    }
    if (tracked === undefined) {
      tell({ tell: 'exit', id, pid });
      return;
    }
    const entry: Entry = { tracked, oomKills: 0 };
    this.#entries.set(id, entry);
    this.#sample(id, entry, this.#host());
  }

  /** False when it is not tracked any more. */
  #sample(id: string, entry: Entry, host: Host): boolean {
    const { tell } = this.#options;
    const { tracked } = entry;
    const { pid } = tracked.target;
    try {
      const lives = tracked.sample(this.#text, host);
      const kills = tracked.last?.memory.oomKills ?? 0;
      if (kills > entry.oomKills) tell({ tell: 'oom', id, pid, kills });
      entry.oomKills = kills;
      if (lives) return true;
      tell({ tell: 'exit', id, pid });
    } catch (error) {
      tell({ tell: 'error', id, pid, error: toWire(error) });
    }
    this.#drop(id);
    return false;
  }

  #drop(id: string): void {
    this.#entries.get(id)?.tracked.close();
    this.#entries.delete(id);
  }

  #stop(): void {
    this.#state = 'stopped';
    this.#cancelTick();
    for (const id of [...this.#entries.keys()]) this.#drop(id);
    this.#system.close();
  }
}
