/**
 * The report as one HTML file: the built page (src/cli/report-page) with the report's data put in the place of
 * `"REPORT"`, in a script element of type application/json. What the page shows comes from there as text, never as
 * markup; `<`, `>`, `&` and the line separators are escaped, so no name can end the element.
 */
import type { Advice } from '../../copyup/advice.js';
import { printable } from '../../copyup/printable.js';
import type { CopyUpReport } from '../../copyup/report.js';
import { type ReportRow, reportRows } from '../../copyup/report-rows.js';
import type { FileOrder } from '../../copyup/sort-files.js';
import type { CopyUpSummary, Tally } from '../../copyup/summary.js';
import { layerWords } from './copyup-words.js';
import { ellipsis } from './units.js';

/** What the page finds in its element; every name is printable. */
export interface PageData
  extends Pick<CopyUpReport, 'source' | 'startedAt' | 'durationMs' | 'exitCode' | 'lost' | 'leftOut'>,
    Pick<CopyUpSummary, 'totals' | 'busyMs' | 'runShare' | 'created' | 'byCause'> {
  readonly name: string;
  readonly image: string;
  readonly layers: readonly string[];
  /** Layers by copied bytes. */
  readonly byLayer: CopyUpSummary['byLayer'];
  readonly byProcess: readonly (Tally & { readonly name: string })[];
  readonly advice: readonly Advice[];
  readonly sort: FileOrder;
  readonly rows: readonly ReportRow[];
}

const PLACE = '"REPORT"';
const PROCESSES = 12;
/** A step of a build may be a script of many lines. */
const LAYER_WIDTH = 64;

/** `sort`: the order that the page's table begins with. */
export function renderCopyUpPage(page: string, report: CopyUpReport, sort: FileOrder): string {
  const { source, startedAt, durationMs, exitCode, lost, leftOut, container, layers, summary, advice } =
    report;
  const { totals, busyMs, runShare, created, byCause, byLayer, byCommand } = summary;
  const data: PageData = {
    ...{ source, startedAt, durationMs, exitCode, lost, leftOut },
    ...{ totals, busyMs, runShare, created, byCause, byLayer, advice, sort },
    name: printable(container.name),
    image: printable(container.image),
    layers: layers.map((_layer, index) => ellipsis(layerWords(layers, index), LAYER_WIDTH)),
    byProcess: byCommand.slice(0, PROCESSES).map(({ command, ...tally }) => ({
      ...tally,
      name: command === undefined ? 'unknown' : printable(command),
    })),
    rows: reportRows(report.files),
  };
  const at = page.indexOf(PLACE);
  const json = JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return page.slice(0, at) + json + page.slice(at + PLACE.length);
}
