/**
 * `--log-driver journald`: systemd's journal, which conmon (or journal-writer.ts) writes to and journalctl reads. One
 * entry of `journalctl -o json --all`; a message that is no UTF-8 comes as an array of bytes, a field given twice as one
 * of values:
 *
 *   {"__CURSOR":"s=…;i=2a;…","__REALTIME_TIMESTAMP":"1700000000123456","PRIORITY":"6","MESSAGE":"hello",
 *    "CONTAINER_ID_FULL":"<64 hex>","CONTAINER_PARTIAL_MESSAGE":"true",…}
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { StringDecoder } from 'node:string_decoder';
import { GantryError } from '../core/errors.js';
import type { LogStream } from './log-lines.js';
import type { LogEntry } from './log-reader.js';

const STDERR_PRIORITY = '3';

interface JournalField {
  readonly __CURSOR?: string;
  readonly __REALTIME_TIMESTAMP?: string;
  readonly PRIORITY?: string;
  readonly MESSAGE?: string | readonly number[] | null;
  readonly CONTAINER_PARTIAL_MESSAGE?: string;
}

/** A container's entries in the journal, in order; keeps its place between calls. */
export class JournalReader {
  readonly #id: string;
  readonly #decoders: Readonly<Record<LogStream, StringDecoder>> = {
    stdout: new StringDecoder('utf8'),
    stderr: new StringDecoder('utf8'),
  };
  #cursor: string | undefined;

  constructor(id: string) {
    this.#id = id;
  }

  /**
   * Those since the last call that are in the journal now; with `follow` also those that come, until that aborts.
   * ERR_RUNTIME_MISSING without journalctl, ERR_RUNTIME with what it said.
   */
  async *read(follow?: AbortSignal): AsyncGenerator<LogEntry> {
    // What was sent a moment ago is still in the socket. Where the daemon is gone there is nothing to wait for.
    if (follow === undefined) for await (const _ of journalctl(['--sync'], true));
    const place = this.#cursor === undefined ? [] : [`--after-cursor=${this.#cursor}`];
    const output = ['--output=json', '--all', '--quiet', '--no-pager'];
    const asked = [...output, ...place, ...(follow === undefined ? [] : ['--follow', '--no-tail'])];
    for await (const line of journalctl([...asked, `CONTAINER_ID_FULL=${this.#id}`], false, follow)) {
      const fields = JSON.parse(line) as JournalField;
      this.#cursor = fields.__CURSOR ?? this.#cursor;
      const entry = this.#entry(fields);
      if (entry.log !== '') yield entry;
    }
  }

  #entry(fields: JournalField): LogEntry {
    const stream = fields.PRIORITY === STDERR_PRIORITY ? 'stderr' : 'stdout';
    const { MESSAGE: message = '' } = fields;
    const bytes = typeof message === 'string' ? Buffer.from(message) : Buffer.from(message ?? []);
    // Pieces of a long line are cut anywhere, within a character too.
    const decoder = this.#decoders[stream];
    const partial = fields.CONTAINER_PARTIAL_MESSAGE === 'true';
    const text = decoder.write(bytes) + (partial ? '' : decoder.end());
    const log = partial || text.endsWith('\n') ? text : `${text}\n`; // conmon 2.1 leaves the newline there
    return { log, stream, time: journalTime(fields.__REALTIME_TIMESTAMP ?? '0') };
  }
}

/** Microseconds since the epoch as RFC 3339 in UTC. */
export function journalTime(micros: string): string {
  const value = BigInt(micros);
  const second = new Date(Number(value / 1_000_000n) * 1000).toISOString().slice(0, 19);
  return `${second}.${String(value % 1_000_000n).padStart(6, '0')}000Z`;
}

/** Lines of what it prints. A failure is passed over with `lenient`, and after an abort. */
async function* journalctl(
  args: readonly string[],
  lenient: boolean,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const child = spawn('journalctl', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal ? { signal } : {}),
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  const ended = new Promise<number | NodeJS.ErrnoException>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code) => resolve(code ?? 0));
  });
  try {
    yield* createInterface({ input: child.stdout });
  } finally {
    child.kill(); // does nothing to one that has ended
  }
  const outcome = await ended;
  if (lenient || signal?.aborted || outcome === 0) return;
  if (typeof outcome !== 'number') {
    throw new GantryError('ERR_RUNTIME_MISSING', 'no reader for the journal: expected journalctl on PATH', {
      hint: 'apt-get install systemd',
    });
  }
  if (outcome === 1 && said === '') return; // nothing matched
  throw new GantryError('ERR_RUNTIME', `journalctl exited with ${outcome}: ${said.trim()}`);
}
