/** `docker attach`: the streams of a detached container joined with the caller's, through its conmon. */
import { once } from 'node:events';
import { GantryError } from '../core/errors.js';
import { writeError } from '../core/write-error.js';
import { type Attachment, attachTo } from '../runtime/attach-socket.js';
import { bundleDirectory } from '../runtime/bundle-directory.js';
import { resizeTerminal } from '../runtime/conmon-control.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { DEFAULT_DETACH_KEYS, detachScanner, parseDetachKeys } from '../runtime/detach-keys.js';
import { isAlive } from '../runtime/process-identity.js';
import { rawTerminal } from '../runtime/raw-terminal.js';
import { findContainer } from './containers.js';
import { recordContainerEvent } from './events.js';
import { forwardSignals } from './forward-signals.js';
import { checkTerminal, type ForegroundOptions } from './run.js';
import { waitForEnd } from './stop-container.js';
import type { Store } from './store.js';

export interface AttachOptions extends ForegroundOptions {
  /** Nothing that is typed goes in. */
  readonly noStdin?: boolean;
  /** Default `ctrl-p,ctrl-q`; only for a container with a terminal. */
  readonly detachKeys?: string;
}

/**
 * Until the container ends: its exit code. Until the detach keys: undefined. ERR_NOT_FOUND; ERR_CONFLICT for one that
 * does not run, is paused, or has another command's foreground.
 */
export async function attachContainer(
  store: Store,
  what: string,
  options: AttachOptions,
): Promise<number | undefined> {
  const record = await findContainer(store, what);
  const { ID, State } = record;
  const refuse = (message: string, hint: string) => new GantryError('ERR_CONFLICT', message, { hint });
  if (!State.Running) {
    throw refuse('You cannot attach to a stopped container, start it first', `gantry start ${what}`);
  }
  if (State.Paused) {
    throw refuse('You cannot attach to a paused container, unpause it first', `gantry unpause ${what}`);
  }
  if (!State.Detached)
    throw refuse(`container ${ID} is in the foreground of another command`, 'gantry run -d');
  checkTyping(record, options);
  const attachment = attachTo(bundleDirectory(store.root, ID));
  return joinContainer(store, record, attachment, options);
}

/** ERR_INVALID_ARGUMENT for a container with a terminal when the caller has none; for a start to ask before. */
export function checkTyping({ Config }: ContainerRecord, options: AttachOptions): void {
  if (Config.OpenStdin && !options.noStdin) checkTerminal(Config, options);
  parseDetachKeys(options.detachKeys ?? DEFAULT_DETACH_KEYS);
}

/** The rest of `attachContainer`, for who is connected already; `record` is of the running container. */
export async function joinContainer(
  store: Store,
  record: ContainerRecord,
  attachment: Attachment,
  options: AttachOptions,
): Promise<number | undefined> {
  const { ID, State, Config } = record;
  const typing = Config.OpenStdin === true && !options.noStdin;
  const scan = detachScanner(parseDetachKeys(options.detachKeys ?? DEFAULT_DETACH_KEYS));
  const bundle = bundleDirectory(store.root, ID);
  recordContainerEvent(store, record, 'attach');
  let detached = false;
  const undo: (() => unknown)[] = [];
  try {
    if (Config.Tty) {
      if (typing) undo.push(rawTerminal(options.stdin.fd ?? 0));
      const resize = (): void => {
        const size = options.terminalSize?.();
        if (size !== undefined) resizeTerminal(bundle, size);
      };
      undo.push(options.onResize?.(resize) ?? (() => {}));
      resize();
    }
    if (options.signalProxy !== false && !(Config.Tty && typing)) {
      undo.push(
        forwardSignals(
          (signal) => State.Process && isAlive(State.Process) && process.kill(State.Pid, signal),
        ),
      );
    }
    if (typing) undo.push(passInput());
    for await (const { stream, bytes } of attachment.output()) {
      // A slow reader slows the container down, as a pipe of its own would, and does not fill our memory.
      if (options[stream].write(bytes)) continue;
      await once(options[stream], 'drain').catch((cause) => {
        throw writeError(cause);
      });
    }
  } finally {
    for (const step of undo.reverse()) step();
  }
  if (!detached) return waitForEnd(store, ID);
  recordContainerEvent(store, record, 'detach');
  return undefined;

  function passInput(): () => void {
    const { stdin } = options;
    const typed = (piece: Buffer): void => {
      const { bytes, detach } = Config.Tty ? scan(piece) : { bytes: piece, detach: false };
      try {
        attachment.write(bytes);
      } catch {
        return; // it ended: the output tells
      }
      if (!detach) return;
      detached = true;
      attachment.close();
    };
    stdin.on('data', typed);
    stdin.on('end', attachment.endInput);
    return () => {
      stdin.off('data', typed);
      stdin.off('end', attachment.endInput);
      stdin.pause();
    };
  }
}
