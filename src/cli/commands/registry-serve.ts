/** `gantry registry serve DIR-OR-TAR...`: hands images around; ends with Ctrl-C. */
import { once } from 'node:events';
import { type Command, Option } from 'commander';
import { command } from '../command.js';
import { type Listen, parseListen } from '../listen.js';
import type { Session } from '../session.js';

const DEFAULT_LISTEN = '127.0.0.1:5000';

export const serveCommand = (session: Session): Command =>
  command(
    'serve',
    'Serve images read-only from OCI layouts and docker save archives',
    '[OPTIONS] DIR-OR-TAR [DIR-OR-TAR...]',
  )
    .argument('<DIR-OR-TAR...>')
    .addOption(
      new Option('--listen <host:port>', 'Address to listen on; port 0 takes a free one')
        .argParser(parseListen)
        .default(parseListen(DEFAULT_LISTEN), DEFAULT_LISTEN),
    )
    .option('-q, --quiet', 'Do not tell requests')
    .action((sources: string[], flags: { listen: Listen; quiet?: boolean }) =>
      serveUntilStopped(session, sources, flags.listen, flags.quiet === true),
    );

async function serveUntilStopped(
  session: Session,
  sources: readonly string[],
  listen: Listen,
  quiet: boolean,
): Promise<void> {
  const { serve } = await import('../../registry/server.js');
  const server = await serve({
    sources,
    ...listen,
    ...(quiet
      ? {}
      : {
          log: ({ method, path, status, milliseconds }) =>
            session.err(`${method} ${path} ${status} ${Math.round(milliseconds)}ms\n`),
        }),
  });
  session.out(`Serving on ${server.address}\n`);
  for (const image of server.images) session.out(`  gantry pull ${server.address}/${image}\n`);
  if (!session.signal.aborted) await once(session.signal, 'abort');
  await server.close();
}
