/** `gantry rmi [OPTIONS] IMAGE [IMAGE...]`: takes names away, and images that have none left. */
import type { Command } from 'commander';
import type { Removed } from '../../engine/remove-image.js';
import { command } from '../command.js';
import { renderError } from '../render/error.js';
import { openSessionStore, type Session } from '../session.js';

interface RmiFlags {
  readonly force?: boolean;
  readonly prune: boolean;
}

export const rmiCommand = (session: Session): Command =>
  command('rmi', 'Remove one or more images', '[OPTIONS] IMAGE [IMAGE...]')
    .argument('<IMAGE...>')
    .option('-f, --force', 'Force removal of the image')
    .option('--no-prune', 'Do not delete untagged parents')
    .action((names: string[], flags: RmiFlags) => removeAll(session, names, flags));

/** `Untagged: redis:latest`, `Deleted: sha256:…` */
const removedLine = (removed: Removed): string =>
  'untagged' in removed ? `Untagged: ${removed.untagged}\n` : `Deleted: ${removed.deleted}\n`;

/** One image's failure does not stop the others. */
async function removeAll(session: Session, names: readonly string[], flags: RmiFlags): Promise<void> {
  const { removeImage } = await import('../../engine/remove-image.js');
  const { containerUses } = await import('../../engine/container-use.js');
  const store = await openSessionStore(session);
  const held = await store.lock('exclusive', { signal: session.signal });
  try {
    for (const name of names) {
      try {
        const containers = await containerUses(store);
        const removed = await removeImage(store, name, {
          force: flags.force === true,
          prune: flags.prune,
          containers,
        });
        session.out(removed.map(removedLine).join(''));
      } catch (error) {
        session.err(renderError(error, session.debug));
        session.exitCode = 1;
      }
    }
  } finally {
    held.release();
  }
}
