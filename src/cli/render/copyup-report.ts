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
import { amplificationOf } from '../../copyup/amplification.js';
import { printable, printablePath } from '../../copyup/printable.js';
import type { CopiedFile, CopyUpProfile } from '../../copyup/profile.js';
import { type FileOrder, sortFiles } from '../../copyup/sort-files.js';
import { type CopyUpSummary, summarise, type Tally } from '../../copyup/summary.js';
import { countWords, layerWords, lostWords, sizeWords, timesWords, timeWords } from './copyup-words.js';
import { table } from './table.js';
import { ellipsis } from './units.js';

export interface CopyUpReportOptions {
  readonly sort: FileOrder;
  /** Lines of each table; 0 for all. */
  readonly top: number;
}

const LAYER_WIDTH = 28;
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
    more === 0 ? '' : `… and ${countWords(more, 'file')} more (--top 0 shows all)\n`,
    ...(shown.length === 0 ? [] : groupTables(profile, summary, groups)),
    advice(profile),
  ].join('');
}

function heading({ container, source, durationMs, exitCode, lost }: CopyUpProfile): string {
  const how =
    source === 'upper'
      ? 'from the upper directory alone: no times, causes or processes'
      : `traced${durationMs === undefined ? '' : ` for ${timeWords(durationMs)}`}${exitCode === undefined ? '' : `, exit status ${exitCode}`}`;
  const line = `Copy-ups of ${printable(container.name)} (${printable(container.image)}), ${how}\n`;
  return lost === 0 ? line : `${line}${lostWords(lost)}\n`;
}

function totals({ source }: CopyUpProfile, { totals, runShare, created }: CopyUpSummary): string {
  const { compared, changed } = totals;
  const part = compared === totals.bytes ? '' : ` of the ${sizeWords(compared ?? 0)} compared`;
  const ratio =
    totals.amplification === undefined ? '' : `, amplification ${timesWords(totals.amplification)}`;
  const change = changed === undefined ? '' : `; ${sizeWords(changed)}${part} really changed${ratio}`;
  const share =
    runShare === undefined ? '' : `; ${(runShare * 100).toFixed(1)}% of the run had one under way`;
  return [
    `Copied     ${sizeWords(totals.bytes)} in ${countWords(totals.files, 'file')}${change}\n`,
    totals.waitedMs === undefined ? '' : `Waited     ${timeWords(totals.waitedMs)} for copies${share}\n`,
    created.files === 0 && source === 'upper'
      ? ''
      : `Created    ${countWords(created.files, 'file')}, ${sizeWords(created.bytes)}: new ones, nothing was copied for them\n`,
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
  ['COPIED', (item) => sizeWords(tallyOf(item).bytes)],
  ['CHANGED', (item) => optional(tallyOf(item).changed, sizeWords)],
  ['AMPLIFIED', (item) => optional(tallyOf(item).amplification, timesWords)],
  ['TIME', (item) => optional(tallyOf(item).waitedMs, timeWords)],
];

function fileTable(profile: CopyUpProfile, files: readonly CopiedFile[]): string {
  const cause = (file: CopiedFile) => (file.cause === 'unknown' ? '' : file.cause);
  return columnTable<CopiedFile>(
    [
      ['COPIED', ({ bytes }) => sizeWords(bytes)],
      ['CHANGED', ({ changed }) => optional(changed?.block4k, sizeWords)],
      ['AMPLIFIED', (file) => optional(amplificationOf(file), timesWords)],
      ['TIME', ({ durationMs }) => optional(durationMs, timeWords)],
      ['CAUSE', cause],
      ['PROCESS', processOf],
      ['LAYER', (file) => optional(file.layer, layerName(profile))],
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
    one(summary.byLayer, 'LAYER', (group) => optional(group.layer, layerName(profile))),
    one(summary.byCommand, 'PROCESS', ({ command, processes }) =>
      command === undefined ? '' : `${printable(command)}${processes > 1 ? ` (${processes} of them)` : ''}`,
    ),
  ];
}

function advice(profile: CopyUpProfile): string {
  return advise(profile)
    .map(({ title, because, reason, paths, where, command }, at) => {
      const waited = because.waitedMs === undefined ? '' : `, ${timeWords(because.waitedMs)} of waiting`;
      const more = because.files > paths.length && paths.length > 1 ? ', …' : '';
      return [
        `${at === 0 ? '\nAdvice\n' : ''}${at + 1}. ${title}: ${sizeWords(because.bytes)} in ${countWords(because.files, 'file')}${waited}\n`,
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

const layerName =
  ({ layers }: CopyUpProfile) =>
  (index: number): string =>
    ellipsis(layerWords(layers, index), LAYER_WIDTH);

const optional = <T>(value: T | undefined, text: (value: T) => string): string =>
  value === undefined ? '' : text(value);
