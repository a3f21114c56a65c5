/** `gantry create [OPTIONS] IMAGE [COMMAND] [ARG...]`: `run` without the start. Prints the id. */
import type { Command } from 'commander';
import { creation, creationCommand } from '../creation.js';
import { withStartExitCode } from '../foreground.js';
import type { Session } from '../session.js';

export const createCommand = (session: Session): Command =>
  creationCommand('create', 'Create a new container').action((image, words, flags) =>
    withStartExitCode(session, async () => {
      const { createContainer } = await import('../../engine/create-container.js');
      const { store, image: found, request } = await creation(session, image, words, flags);
      session.out(`${(await createContainer(store, found, request)).id}\n`);
      return 0;
    }),
  );
