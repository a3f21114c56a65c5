/** `gantry copyup bench`: what copy-up costs on this machine, as tables or JSON. */
import { existsSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import type { CopyUpBenchReport, CopyUpBenchRow } from '../../engine/copyup-bench.js';
import { command } from '../command.js';
import { table } from '../render/table.js';
import { bytesSize } from '../render/units.js';
import type { Session } from '../session.js';

interface BenchFlags {
  readonly dir?: string;
  readonly json?: boolean;
  readonly quick?: boolean;
}

export const benchCommand = (session: Session): Command =>
  command('bench', 'Measure what copy-up costs on this machine')
    .option(
      '--dir <dir>',
      "A directory on the file system to measure (default: the store's, or the temporary one)",
    )
    .option('--json', 'Print JSON')
    .option('--quick', 'Seconds instead of minutes: fewer values and samples, no big file')
    .action(async (flags: BenchFlags) => {
      const { benchCopyUp } = await import('../../engine/copyup-bench.js');
      const dir = realpathSync(flags.dir ?? (existsSync(session.root) ? session.root : tmpdir()));
      const tell = (row: CopyUpBenchRow): void => session.err(`${row.group} ${row.value}: ${row.name}\n`);
      const report = await benchCopyUp({
        dir,
        quick: flags.quick === true,
        signal: session.signal,
        ...(process.stderr.isTTY && !flags.json ? { onRow: tell } : {}),
      });
      session.out(flags.json ? `${JSON.stringify(report)}\n` : tables(report));
    });

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

function tables({ kernel, fileSystem, dir, cpus, rows }: CopyUpBenchReport): string {
  const of = (group: CopyUpBenchRow['group']): CopyUpBenchRow[] => rows.filter((row) => row.group === group);
  const spread = (row: CopyUpBenchRow): string[] => [ms(row.median), `${ms(row.min)}-${ms(row.max)}`];
  const plain = (title: string, group: 'depth' | 'xattrs'): string =>
    table([[title, 'COPY-UP MS', 'RANGE'], ...of(group).map((row) => [String(row.value), ...spread(row)])]);
  const threads = of('threads').map((row) => {
    const one = of('threads').find(({ value, bytes }) => value === 1 && bytes === row.bytes) ?? row;
    const what = `${row.name} of ${bytesSize(row.bytes)}`;
    return [what, String(row.value), ...spread(row), (one.median / row.median).toFixed(2)];
  });
  return [
    `Linux ${kernel}, ${fileSystem} at ${dir}, ${cpus} CPUs; medians, times in ms, files in the page cache\n`,
    bySize(of('size')),
    plain('LAYERS', 'depth'),
    plain('XATTRS', 'xattrs'),
    table([['FILES', 'THREADS', 'MS', 'RANGE', 'SPEED-UP'], ...threads]),
  ].join('\n');
}

/** A line for each size, a column for each way. */
function bySize(rows: readonly CopyUpBenchRow[]): string {
  const names = [...new Set(rows.map(({ name }) => name))];
  const lines = [...new Set(rows.map(({ bytes }) => bytes))].map((bytes) => [
    bytesSize(bytes),
    ...names.map((name) => {
      const row = rows.find((one) => one.bytes === bytes && one.name === name);
      return row === undefined ? '-' : ms(row.median);
    }),
  ]);
  return table([['SIZE', ...names.map((name) => name.toUpperCase())], ...lines]);
}
