/** One probe of a container's health: a command inside, bounded in time, and the beginning of what it says. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { goDurationText } from '../core/duration.js';
import { isGantryError } from '../core/errors.js';
import type { Probe } from '../runtime/health.js';
import { pipe } from '../runtime/pipe.js';
import { execInContainer } from './exec-container.js';
import type { Store } from './store.js';

const OUTPUT_BYTES = 4096;
/** For output that a process left behind still holds open. */
const REST_MS = 100;

export interface ProbeOptions {
  readonly command: readonly [string, ...string[]];
  /** Milliseconds. */
  readonly timeout: number;
}

/** Undefined when the container was not there to be asked: it has ended, or is paused. */
export async function probeHealth(
  store: Store,
  id: string,
  { command, timeout }: ProbeOptions,
): Promise<Probe | undefined> {
  const Start = new Date().toISOString();
  const result = (ExitCode: number, Output: string): Probe => ({
    Start,
    End: new Date().toISOString(),
    ExitCode,
    Output,
  });
  const signal = AbortSignal.timeout(timeout);
  const { read, write } = pipe();
  const output = beginning(new Socket({ fd: read, readable: true, writable: false }));
  const ended = await execInContainer(store, id, { command, signal, stdio: ['ignore', write, write] }).then(
    (exitCode) => ({ exitCode }),
    (error: unknown) => ({ error }),
  );
  const late = signal.aborted;
  closeSync(write);
  const said = await output.text(REST_MS);
  const error = 'error' in ended ? ended.error : undefined;
  if (isGantryError(error, 'ERR_CONFLICT') || isGantryError(error, 'ERR_NOT_FOUND')) return undefined;
  if (late) {
    const exceeded = `Health check exceeded timeout (${goDurationText(timeout)})`;
    return result(-1, said === '' ? exceeded : `${exceeded}: ${said}`);
  }
  if ('exitCode' in ended) return result(ended.exitCode, said);
  return result(-1, error instanceof Error ? error.message : String(error));
}

/** Reads all, so that nobody blocks, and keeps the first bytes. */
function beginning(from: Readable): { text(patience: number): Promise<string> } {
  let kept = Buffer.alloc(0);
  let cut = false;
  from.on('data', (bytes: Buffer) => {
    const free = OUTPUT_BYTES - kept.length;
    cut ||= bytes.length > free;
    if (free > 0) kept = Buffer.concat([kept, bytes.subarray(0, free)]);
  });
  from.on('error', () => {}); // 'close' follows
  const closed = new Promise<void>((resolve) => from.once('close', resolve));
  return {
    text: async (patience) => {
      const timer = setTimeout(() => from.destroy(), patience);
      await closed;
      clearTimeout(timer);
      return cut ? `${kept.toString('utf8', 0, OUTPUT_BYTES - 3)}...` : kept.toString('utf8');
    },
  };
}
