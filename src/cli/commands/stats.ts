/** `gantry stats [OPTIONS] [CONTAINER...]`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { goDuration } from '../../core/duration.js';
import type { ContainerStats, StatsOptions } from '../../engine/stats.js';
import { command } from '../command.js';
import { type Listen, parseListen } from '../listen.js';
import { renderList } from '../render/list.js';
import { csvHeader, csvLine, STATS_HEADERS, statsColumns, statsRow } from '../render/stats-row.js';
import { openSessionStore, type Session } from '../session.js';

interface StatsFlags {
  readonly all?: boolean;
  readonly count?: number;
  readonly format?: string;
  readonly interval?: number;
  readonly metrics?: Listen | true;
  readonly stream: boolean;
  readonly timestamp?: boolean;
  readonly trunc: boolean;
}

const STREAM_INTERVAL_MS = 1000;
/** With --no-stream: what a percentage is taken of, while the user waits. */
const ONCE_INTERVAL_MS = 200;
const LEAST_INTERVAL_MS = 10;
const DEFAULT_METRICS = '127.0.0.1:9323';

export const statsCommand = (session: Session): Command =>
  command(
    'stats',
    'Display a live stream of container(s) resource usage statistics',
    '[OPTIONS] [CONTAINER...]',
  )
    .argument('[CONTAINER...]')
    .option('-a, --all', 'Show all containers (default shows just running)')
    .addOption(new Option('--count <int>', 'Stop after so many results').argParser(parseCount))
    .option('--format <string>', "'table', 'table TEMPLATE', 'json', 'csv', or a Go template")
    .addOption(
      new Option(
        '--interval <duration>',
        'Time between results (default 1s; with --no-stream 200ms)',
      ).argParser(parseInterval),
    )
    .addOption(
      new Option(
        '--metrics [host:port]',
        `Serve Prometheus metrics instead (default ${DEFAULT_METRICS})`,
      ).argParser(parseListen),
    )
    .option('--no-stream', 'Disable streaming stats and only pull the first result')
    .option('--no-trunc', 'Do not truncate output')
    .option('--timestamp', 'Show when each result was taken')
    .action((names: string[], flags: StatsFlags) => showStats(session, names, flags));

async function showStats(session: Session, names: readonly string[], flags: StatsFlags): Promise<void> {
  const once = !flags.stream;
  const count = once ? 1 : flags.count;
  const options: StatsOptions = {
    names,
    all: flags.all === true,
    interval: flags.interval ?? (once ? ONCE_INTERVAL_MS : STREAM_INTERVAL_MS),
    signal: session.signal,
    ...(count === undefined ? {} : { count }),
    onEvent: (event) => {
      if (event.tell === 'error') session.err(`gantry: ${event.error.message}\n`);
    },
  };
  if (flags.metrics !== undefined) return serve(session, flags.metrics, options);
  const { streamStats } = await import('../../engine/stats.js');
  const store = await openSessionStore(session);
  const show = shower(session, flags, count !== 1);
  for await (const containers of streamStats(store, options)) show(containers);
}

/** What writes a batch: over the one before on a terminal, below it elsewhere. */
function shower(
  session: Session,
  flags: StatsFlags,
  streaming: boolean,
): (containers: readonly ContainerStats[]) => void {
  const { trunc, timestamp = false } = flags;
  const format = flags.format?.trim();
  const now = () => (timestamp ? { timestamp: Date.now() } : {});
  if (format === 'csv') {
    session.out(csvHeader(timestamp));
    return (containers) => {
      const options = { trunc, ...now() };
      session.out(containers.map((container) => csvLine(container, options)).join(''));
    };
  }
  const inPlace = streaming && format !== 'json' && process.stdout.isTTY === true;
  return (containers) => {
    const options = { trunc, ...now() };
    const text = renderList(
      containers.map((container) => statsRow(container, options)),
      { headers: STATS_HEADERS, columns: statsColumns(timestamp), format },
    );
    session.out(inPlace ? overwriting(text) : text);
  };
}

/** From the screen's first line, each line and what is below cleared, which flickers less than a cleared screen. */
const overwriting = (text: string): string => `\x1b[H${text.replaceAll('\n', '\x1b[K\n')}\x1b[J`;

async function serve(session: Session, metrics: Listen | true, options: StatsOptions): Promise<void> {
  const { streamStats } = await import('../../engine/stats.js');
  const { serveMetrics } = await import('../../engine/metrics.js');
  const store = await openSessionStore(session);
  let current: readonly ContainerStats[] = [];
  const server = await serveMetrics(metrics === true ? parseListen(DEFAULT_METRICS) : metrics, () => current);
  session.out(`Serving on http://${server.address}/metrics\n`);
  try {
    for await (const containers of streamStats(store, options)) current = containers;
  } finally {
    server.close();
  }
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('expected a number from 1 on');
  return count;
}

function parseInterval(text: string): number {
  const milliseconds = goDuration(text);
  if (milliseconds === undefined || milliseconds < LEAST_INTERVAL_MS) {
    throw new InvalidArgumentError(`expected a duration from ${LEAST_INTERVAL_MS}ms on, such as 1s or 500ms`);
  }
  return milliseconds;
}
