/**
 * A copy-up profile on the terminal:
 *
 *   Copy-ups of db (postgres:15), traced for 8.12s
 *
 *   Copied     2.15GB in 14 files; 8.19kB really changed, amplification 262144×
 *   Waited     1.83s for copies; 22.4% of the run had one under way
 *   Created    3 files, 12B: new ones, nothing was copied for them
 *
 *   COPIED    CHANGED   AMPLIFIED   TIME      CAUSE     PROCESS         LAYER                     PATH
 *   2.15GB    8.19kB    262144×     1.82s     open      postgres (12)   2 COPY data /var/lib/db   /var/lib/db/main.db
 *
 * A column that the profile knows nothing of is left out. Every name is made printable: it was chosen in a container.
 */
import { advise } from '../../copyup/advice.js';
import { type Amplification, amplificationOf } from '../../copyup/amplification.js';
import { printable, printablePath } from '../../copyup/printable.js';
import type { CopiedFile, CopyUpProfile } from '../../copyup/profile.js';
import { type FileOrder, sortFiles } from '../../copyup/sort-files.js';
import { type CopyUpSummary, summarise, type Tally } from '../../copyup/summary.js';
import { table } from './table.js';
import { ellipsis, humanSize } from './units.js';

export interface CopyUpReportOptions {
  readonly sort: FileOrder;
  /** Lines of each table; 0 for all. */
  readonly top: number;
}

const CREATED_BY_WIDTH = 28;
const COMMAND_WIDTH = 20;
const GROUP_LINES = 5;

export function renderCopyUpReport(profile: CopyUpProfile, { sort, top }: CopyUpReportOptions): string {
  const summary = summarise(profile);
  const files = sortFiles(profile.files, sort);
  const shown = top === 0 ? files : files.slice(0, top);
  const more = files.length - shown.length;
  const groups = top === 0 ? Number.POSITIVE_INFINITY : GROUP_LINES;
  return [
    heading(profile),
    `\n${totals(profile, summary)}`,
    shown.length === 0 ? '' : `\n${fileTable(profile, shown)}`,
    more === 0 ? '' : `… and ${count(more, 'file')} more (--top 0 shows all)\n`,
    ...(shown.length === 0 ? [] : groupTables(profile, summary, groups)),
    advice(profile),
  ].join('');
}

function heading({ container, source, durationMs, exitCode, lost }: CopyUpProfile): string {
  const how =
    source === 'upper'
      ? 'from the upper directory alone: no times, causes or processes'
      : `traced${durationMs === undefined ? '' : ` for ${time(durationMs)}`}${exitCode === undefined ? '' : `, exit status ${exitCode}`}`;
  const line = `Copy-ups of ${printable(container.name)} (${printable(container.image)}), ${how}\n`;
  return lost === 0 ? line : `${line}The kernel dropped ${count(lost, 'event')}: totals are a lower bound.\n`;
}

function totals({ source }: CopyUpProfile, { totals, runShare, created }: CopyUpSummary): string {
  const { compared, changed } = totals;
  const part = compared === totals.bytes ? '' : ` of the ${size(compared ?? 0)} compared`;
  const ratio = totals.amplification === undefined ? '' : `, amplification ${times(totals.amplification)}`;
  const change = changed === undefined ? '' : `; ${size(changed)}${part} really changed${ratio}`;
  const share =
    runShare === undefined ? '' : `; ${(runShare * 100).toFixed(1)}% of the run had one under way`;
  return [
    `Copied     ${size(totals.bytes)} in ${count(totals.files, 'file')}${change}\n`,
    totals.waitedMs === undefined ? '' : `Waited     ${time(totals.waitedMs)} for copies${share}\n`,
    created.files === 0 && source === 'upper'
      ? ''
      : `Created    ${count(created.files, 'file')}, ${size(created.bytes)}: new ones, nothing was copied for them\n`,
  ].join('');
}

type Column<Item> = readonly [header: string, cell: (item: Item) => string];

/** Without the columns in which no item says anything. */
function columnTable<Item>(columns: readonly Column<Item>[], items: readonly Item[]): string {
  const kept = columns.filter(([, cell]) => items.some((item) => cell(item) !== ''));
  return table([
    kept.map(([header]) => header),
    ...items.map((item) => kept.map(([, cell]) => cell(item) || '-')),
  ]);
}

const figures = <Item>(tallyOf: (item: Item) => Tally): Column<Item>[] => [
  ['COPIED', (item) => size(tallyOf(item).bytes)],
  ['CHANGED', (item) => optional(tallyOf(item).changed, size)],
  ['AMPLIFIED', (item) => optional(tallyOf(item).amplification, times)],
  ['TIME', (item) => optional(tallyOf(item).waitedMs, time)],
];

function fileTable(profile: CopyUpProfile, files: readonly CopiedFile[]): string {
  const cause = (file: CopiedFile) => (file.cause === 'unknown' ? '' : file.cause);
  return columnTable<CopiedFile>(
    [
      ['COPIED', ({ bytes }) => size(bytes)],
      ['CHANGED', ({ changed }) => optional(changed?.block4k, size)],
      ['AMPLIFIED', (file) => optional(amplificationOf(file), times)],
      ['TIME', ({ durationMs }) => optional(durationMs, time)],
      ['CAUSE', cause],
      ['PROCESS', processOf],
      ['LAYER', ({ layer }) => optional(layer, (index) => layerName(profile, index))],
      ['PATH', (file) => `${printablePath(file)}${file.gone ? ' (gone)' : ''}`],
    ],
    files,
  );
}

function groupTables(profile: CopyUpProfile, summary: CopyUpSummary, lines: number): string[] {
  const one = <Item extends Tally>(
    items: readonly Item[],
    header: string,
    name: (item: Item) => string,
  ): string => {
    if (items.length < 2) return '';
    const columns: Column<Item>[] = [
      ...figures<Item>((item) => item),
      ['FILES', ({ files }) => String(files)],
      [header, name],
    ];
    const more = items.length - lines;
    const rest = more > 0 ? `… and ${more} more\n` : '';
    return `\n${columnTable(columns, items.slice(0, lines))}${rest}`;
  };
  return [
    one(summary.byDirectory, 'DIRECTORY', ({ directory }) => printable(directory)),
    one(summary.byLayer, 'LAYER', ({ layer }) => optional(layer, (index) => layerName(profile, index))),
    one(summary.byCommand, 'PROCESS', ({ command, processes }) =>
      command === undefined ? '' : `${printable(command)}${processes > 1 ? ` (${processes} of them)` : ''}`,
    ),
  ];
}

function advice(profile: CopyUpProfile): string {
  return advise(profile)
    .map(({ title, because, reason, paths, where, command }, at) => {
      const waited = because.waitedMs === undefined ? '' : `, ${time(because.waitedMs)} of waiting`;
      const more = because.files > paths.length && paths.length > 1 ? ', …' : '';
      return [
        `${at === 0 ? '\nAdvice\n' : ''}${at + 1}. ${title}: ${size(because.bytes)} in ${count(because.files, 'file')}${waited}\n`,
        `   ${paths.join(', ')}${more}\n`,
        `   ${reason}\n`,
        `   ${where === 'shell' ? '$' : 'Dockerfile:'} ${command}\n`,
      ].join('');
    })
    .join('');
}

function processOf({ command, pid }: CopiedFile): string {
  if (command === undefined) return pid === undefined ? '' : String(pid);
  const name = ellipsis(printable(command), COMMAND_WIDTH);
  return pid === undefined ? name : `${name} (${pid})`;
}

function layerName({ layers }: CopyUpProfile, index: number): string {
  const createdBy = layers[index]?.createdBy;
  const name = createdBy === undefined ? '' : ` ${printable(createdBy.replaceAll(/\s+/g, ' '))}`;
  return ellipsis(`${index}${name}`, CREATED_BY_WIDTH);
}

const optional = <T>(value: T | undefined, text: (value: T) => string): string =>
  value === undefined ? '' : text(value);

const size = (bytes: number): string => humanSize(bytes, 3);
const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
const times = (ratio: Amplification): string =>
  ratio === null ? 'all' : `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)}×`;

/** "850µs", "12.3ms", "1.83s", "3m 5s" */
function time(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)}µs`;
  if (ms < 1000) return `${Number(ms.toPrecision(3))}ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toPrecision(3))}s`;
  return `${Math.floor(ms / 60_000)}m ${Math.round((ms % 60_000) / 1000)}s`;
}
