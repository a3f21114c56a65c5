/** `gantry copyup report [OPTIONS] CONTAINER|FILE`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CostLimit, costOver, parseCostLimit } from '../../copyup/cost-limit.js';
import type { CopyUpProfile } from '../../copyup/profile.js';
import { FILE_ORDERS, type FileOrder } from '../../copyup/sort-files.js';
import { command, oneOf } from '../command.js';
import { sizeWords, timeWords } from '../render/copyup-words.js';
import type { Session } from '../session.js';

interface ReportFlags {
  readonly failOver?: readonly CostLimit[];
  readonly format: string;
  readonly output?: string;
  readonly sort: string;
  readonly top?: number;
}

const FORMATS = ['table', 'json', 'html'] as const;
const TABLE_TOP = 20;
/** Over the limit of --fail-over; errors are 1 and 125. */
const OVER_LIMIT = 2;

export const copyUpReportCommand = (session: Session): Command =>
  command(
    'report',
    'Show what a container copied up, what it cost, and what to do about it',
    '[OPTIONS] CONTAINER|FILE',
  )
    .argument('<CONTAINER|FILE>')
    .addOption(
      new Option(
        '--fail-over <bytes|ms>',
        `Exit with ${OVER_LIMIT} when more was copied (100MB, 64MiB) or waited for (250ms); may be given twice`,
      ).argParser(parseLimit),
    )
    .option('--format <string>', "'table', 'json' (a profile with summary and advice), or 'html'", 'table')
    .option('-o, --output <file>', 'Write to a file, instead of STDOUT')
    .option('--sort <string>', "'bytes', 'time' or 'amplification'", 'bytes')
    .addOption(
      new Option('--top <int>', `Files to show, 0 for all (default ${TABLE_TOP} in a table)`).argParser(
        parseTop,
      ),
    )
    .action((name: string, flags: ReportFlags) => report(session, name, flags));

async function report(session: Session, name: string, flags: ReportFlags): Promise<void> {
  const format = oneOf(flags.format, FORMATS, 'format');
  const sort = oneOf(flags.sort, FILE_ORDERS, 'sort order');
  const { readProfile, writeReport } = await import('../../engine/copyup-report.js');
  const profile = await readProfile(session.root, name);
  const text = await render(profile, format, sort, flags.top);
  if (flags.output === undefined) session.out(text);
  else writeReport(flags.output, text);
  const { summarise } = await import('../../copyup/summary.js');
  const summary = summarise(profile);
  for (const limit of flags.failOver ?? []) {
    const cost = costOver(limit, summary);
    if (cost === undefined) continue;
    const words = limit.of === 'bytes' ? sizeWords : timeWords;
    const what = limit.of === 'bytes' ? 'were copied' : 'were waited for copy-ups';
    session.err(`gantry: ${words(cost)} ${what}, more than the limit of ${words(limit.limit)}\n`);
    session.exitCode = OVER_LIMIT;
  }
}

async function render(
  profile: CopyUpProfile,
  format: (typeof FORMATS)[number],
  sort: FileOrder,
  top: number | undefined,
): Promise<string> {
  if (format === 'table') {
    const { renderCopyUpReport } = await import('../render/copyup-report.js');
    return renderCopyUpReport(profile, { sort, top: top ?? TABLE_TOP });
  }
  const { makeReport } = await import('../../copyup/report.js');
  const document = makeReport(profile, { sort, top: top ?? 0 });
  if (format === 'json') return `${JSON.stringify(document, null, 2)}\n`;
  const { reportPage } = await import('../../engine/copyup-report.js');
  const { renderCopyUpPage } = await import('../render/copyup-page.js');
  return renderCopyUpPage(reportPage(), document, sort);
}

function parseLimit(text: string, before: readonly CostLimit[] | undefined): CostLimit[] {
  const limit = parseCostLimit(text);
  if (limit === undefined) {
    throw new InvalidArgumentError('expected bytes or a time with its unit, such as 100MB, 64MiB or 250ms');
  }
  return [...(before ?? []), limit];
}

function parseTop(text: string): number {
  const top = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(top)) {
    throw new InvalidArgumentError('expected a number from 0 on');
  }
  return top;
}
