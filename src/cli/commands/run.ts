/**
 * `gantry run [OPTIONS] IMAGE [COMMAND] [ARG...]`. The exit status is the container's, or 125, 126, 127 when its command
 * did not run. With `-d` conmon is the container's parent, and its id is all that is printed.
 */
import type { Command } from 'commander';
import { type Creation, type CreationFlags, creation, creationCommand } from '../creation.js';
import { detached } from '../detached.js';
import { foreground, withStartExitCode } from '../foreground.js';
import type { Session } from '../session.js';

interface Flags extends CreationFlags {
  readonly sigProxy: boolean;
}

export const runCommand = (session: Session): Command =>
  creationCommand('run', 'Create and run a new container from an image')
    .option('-d, --detach', 'Run container in background and print container ID')
    .option('--sig-proxy', 'Proxy received signals to the process', true)
    .action((image: string, words: string[], flags: Flags) =>
      withStartExitCode(session, async () => {
        const made = await creation(session, image, words, flags);
        if (flags.detach) return runDetached(session, made);
        const { runContainer } = await import('../../engine/run.js');
        return runContainer(made.store, made.image, made.request, {
          ...foreground(session),
          signalProxy: flags.sigProxy,
        });
      }),
    );

async function runDetached(session: Session, { store, image, request }: Creation): Promise<number> {
  const { createContainer } = await import('../../engine/create-container.js');
  const { startDetached } = await import('../../engine/start-detached.js');
  const { id } = await createContainer(store, image, request);
  session.out(`${id}\n`);
  await startDetached(store, id, detached(session));
  return 0;
}
