/** `gantry logs [OPTIONS] CONTAINER`: stdout's lines to stdout, stderr's to stderr. */
import { type Command, InvalidArgumentError } from 'commander';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

interface LogsFlags {
  readonly follow?: boolean;
  readonly tail: number | 'all';
  readonly since?: string;
  readonly until?: string;
  readonly timestamps?: boolean;
}

export const logsCommand = (session: Session): Command =>
  command('logs', 'Fetch the logs of a container', '[OPTIONS] CONTAINER')
    .argument('<CONTAINER>')
    .option('-f, --follow', 'Follow log output')
    .option(
      '--since <string>',
      'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")',
    )
    .option('-n, --tail <string>', 'Number of lines to show from the end of the logs', count, 'all')
    .option('-t, --timestamps', 'Show timestamps')
    .option(
      '--until <string>',
      'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")',
    )
    .action(async (name: string, flags: LogsFlags) => {
      const { containerLog } = await import('../../engine/container-log.js');
      const { parseLogTime } = await import('../../engine/log-time.js');
      const { follow, tail, since, until, timestamps } = flags;
      const now = new Date();
      const entries = containerLog(await openSessionStore(session), name, {
        signal: session.signal,
        ...(follow ? { follow } : {}),
        ...(tail === 'all' ? {} : { tail }),
        ...(since === undefined ? {} : { since: parseLogTime(since, now) }),
        ...(until === undefined ? {} : { until: parseLogTime(until, now) }),
      });
      for await (const { log, stream, time } of entries) {
        const write = stream === 'stderr' ? session.err : session.out;
        write(timestamps ? `${time} ${log}` : log);
        // One that prints without end is read no quicker than it is shown, and not into our memory.
        const { [stream]: target } = process;
        if (target.writableNeedDrain) await new Promise((resolve) => target.once('drain', resolve));
      }
    });

/** As docker: what is no number, or below zero, means all. */
function count(text: string): number | 'all' {
  if (text === 'all' || /^-\d+$/.test(text)) return 'all';
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`invalid value for 'tail': ${text}`);
  return Number(text);
}
