/** `gantry pause`, `unpause`, `wait` and `rename`. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { eachName } from '../each-name.js';
import { openSessionStore, type Session } from '../session.js';

const several = (name: string, description: string): Command =>
  command(name, description, 'CONTAINER [CONTAINER...]').argument('<CONTAINER...>');

export const pauseCommand = (session: Session): Command =>
  several('pause', 'Pause all processes within one or more containers').action(async (names: string[]) => {
    const { pauseContainer } = await import('../../engine/pause-container.js');
    const store = await openSessionStore(session);
    await eachName(session, names, (name) => pauseContainer(store, name).then(() => name));
  });

export const unpauseCommand = (session: Session): Command =>
  several('unpause', 'Unpause all processes within one or more containers').action(
    async (names: string[]) => {
      const { unpauseContainer } = await import('../../engine/pause-container.js');
      const store = await openSessionStore(session);
      await eachName(session, names, (name) => unpauseContainer(store, name).then(() => name));
    },
  );

export const waitCommand = (session: Session): Command =>
  several('wait', 'Block until one or more containers stop, then print their exit codes').action(
    async (names: string[]) => {
      const { waitContainer } = await import('../../engine/stop-container.js');
      const store = await openSessionStore(session);
      await eachName(
        session,
        names,
        (name) => waitContainer(store, name, session.signal),
        (_name, code) => String(code),
      );
    },
  );

export const renameCommand = (session: Session): Command =>
  command('rename', 'Rename a container', 'CONTAINER NEW_NAME')
    .argument('<CONTAINER>')
    .argument('<NEW_NAME>')
    .action(async (name: string, wanted: string) => {
      const { renameContainer } = await import('../../engine/rename-container.js');
      await renameContainer(await openSessionStore(session), name, wanted);
    });
