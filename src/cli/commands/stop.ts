/** `gantry stop`, `restart` and `kill`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { command } from '../command.js';
import { detached } from '../detached.js';
import { eachName } from '../each-name.js';
import { openSessionStore, type Session } from '../session.js';

interface StopFlags {
  readonly time?: number;
  readonly timeout?: number;
  readonly signal?: string;
}

const stopping = (name: string, description: string): Command =>
  command(name, description, '[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<CONTAINER...>')
    .option('-s, --signal <string>', 'Signal to send to the container')
    .option('-t, --timeout <int>', 'Seconds to wait before killing the container', seconds)
    .addOption(new Option('--time <int>').argParser(seconds).hideHelp());

const options = ({ time, timeout = time, signal }: StopFlags) => ({
  ...(timeout === undefined ? {} : { timeout }),
  ...(signal === undefined ? {} : { signal }),
});

export const stopCommand = (session: Session): Command =>
  stopping('stop', 'Stop one or more running containers').action(
    async (names: string[], flags: StopFlags) => {
      const { stopContainer } = await import('../../engine/stop-container.js');
      const store = await openSessionStore(session);
      await eachName(session, names, (name) => stopContainer(store, name, options(flags)).then(() => name));
    },
  );

export const restartCommand = (session: Session): Command =>
  stopping('restart', 'Restart one or more containers').action(async (names: string[], flags: StopFlags) => {
    const { restartContainer } = await import('../../engine/restart-container.js');
    const store = await openSessionStore(session);
    const how = { stop: options(flags), start: detached(session) };
    await eachName(session, names, (name) => restartContainer(store, name, how));
  });

export const killCommand = (session: Session): Command =>
  command('kill', 'Kill one or more running containers', '[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<CONTAINER...>')
    .option('-s, --signal <string>', 'Signal to send to the container', 'KILL')
    .action(async (names: string[], { signal }: { readonly signal: string }) => {
      const { killContainer } = await import('../../engine/stop-container.js');
      const store = await openSessionStore(session);
      await eachName(session, names, (name) => killContainer(store, name, signal).then(() => name));
    });

function seconds(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError('expected a number of seconds');
  return Number(text);
}
