/** The process: output, signals, exit status. main.ts does the rest. */
import { availableParallelism } from 'node:os';
import type { Writable } from 'node:stream';
import { INTERRUPTED, main } from './main.js';
import { DEFAULT_ROOT, type Session } from './session.js';

// As dockerd: with a shell's 077 a container's own users could not read what is made for them.
process.umask(0o022);
// Blocks of what is compressed go to libuv's threads, of which Node starts four.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
// One for each child that is waited for (runtime/reap.ts): `rm -f` of a hundred has more than Node's ten.
process.setMaxListeners(0);
const abort = new AbortController();
const session: Session = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  signal: abort.signal,
  root: process.env.GANTRY_ROOT || DEFAULT_ROOT,
  debug: false,
  exitCode: 0,
};
/** 128 + SIGPIPE, which ends other programs here. */
const READER_GONE = 141;
// The reader went away. `gantry images | head -1` was done by then, and that is no failure; `gantry pull | head -1` was not.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Who passes something on there (a container's output, a tar) ends it, and takes away what it used.
    if (stream.listenerCount('error') > 1) return;
    process.exit(error.code === 'EPIPE' ? (process.exitCode ?? READER_GONE) : 1);
  });
}
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // A container in the foreground has taken the signals over (engine/forward-signals.ts).
    if (process.listenerCount(name) > 1) return;
    if (abort.signal.aborted) process.exit(INTERRUPTED);
    abort.abort();
  });
}
/** A pipe holds 64 KiB; what its reader has not taken yet would go with the process. */
const taken = (stream: Writable): Promise<unknown> =>
  new Promise((resolve) => {
    stream.write('', resolve);
  });
void main(session, process.argv.slice(2)).then(async (status) => {
  process.exitCode = status;
  await Promise.all([taken(process.stdout), taken(process.stderr)]);
  process.exit(status);
});
