/** The time line: copied bytes so far above, and a lane for each process below with its copy-ups as bars. */
import { scaleLinear } from 'd3-scale';
import type { ReportRow } from '../../copyup/report-rows.js';
import type { PageData } from '../render/copyup-page.js';
import { sizeWords, timeWords } from '../render/copyup-words.js';
import { ellipsis } from '../render/units.js';
import { byId, element, onWidth, shape } from './element.js';
import type { LayerColour } from './layer-colours.js';
import { roving } from './roving.js';
import { rowWords } from './row-words.js';
import { withTip } from './tip.js';

type Timed = ReportRow & { readonly startMs: number; readonly endMs: number };

interface Lane {
  readonly name: string;
  readonly rows: readonly Timed[];
  /** The line of each row: waits at the same time are not drawn over one another. */
  readonly lines: readonly number[];
  readonly height: number;
}

const LANES = 7;
const MOST_LINES = 5;
const BAR = 13;
const LANE_HEAD = 21;
const SUM_HEIGHT = 110;
const AXIS = 26;
const TOP = 18;
/** What one tick's text needs. */
const TICK_WIDTH = 95;
/** Of a lane's figures, and of a wide letter in its name. */
const FIGURES_WIDTH = 130;
const LETTER_WIDTH = 9;

export function drawTimeline(data: PageData, colour: LayerColour, onFile: (path: string) => void): void {
  const box = byId('timeline');
  const rows = data.rows
    .filter((row): row is Timed => row.startMs !== undefined)
    .sort((a, b) => a.startMs - b.startMs);
  if (rows.length === 0) {
    const why =
      data.source === 'upper'
        ? 'This profile was made from the upper directory alone, which keeps no times.'
        : 'No copy-up was seen.';
    box.replaceChildren(element('p', { class: 'soft' }, why));
    return;
  }
  const until = Math.max(data.durationMs ?? 0, ...rows.map(({ endMs }) => endMs));
  const lanes = lanesOf(rows);
  onWidth(box, (width) => box.replaceChildren(chart(width)));

  function chart(width: number): SVGElement {
    const lanesTop = TOP + SUM_HEIGHT + 10;
    const height = lanesTop + lanes.reduce((sum, lane) => sum + lane.height, 0) + AXIS;
    const x = scaleLinear([0, until || 1], [1, width - 1]);
    const svg = shape('svg', {
      viewBox: `0 0 ${width} ${height}`,
      height,
      role: 'group',
      'aria-label': `${rows.length} copy-ups over ${timeWords(until)}; arrow keys go from one to the next`,
    });
    for (const tick of x.ticks(Math.max(2, Math.floor(width / TICK_WIDTH)))) {
      const at = x(tick);
      svg.append(
        shape('line', { class: 'grid', x1: at, x2: at, y1: TOP, y2: height - AXIS + 4 }),
        shape(
          'text',
          { x: at, y: height - 6, 'text-anchor': at < 30 ? 'start' : at > width - 30 ? 'end' : 'middle' },
          tick === 0 ? '0' : timeWords(tick),
        ),
      );
    }
    svg.append(shape('path', { class: 'sum', d: sumPath(x) }));
    const total = rows.reduce((sum, row) => sum + row.bytes, 0);
    svg.append(shape('text', { x: width - 2, y: 12, 'text-anchor': 'end' }, `${sizeWords(total)} copied`));
    const bars: SVGElement[] = [];
    let top = lanesTop;
    for (const lane of lanes) {
      svg.append(...laneMarks(lane, top, width));
      for (const [at, row] of lane.rows.entries()) {
        const bar = shape('rect', {
          class: 'copy',
          role: 'button',
          'aria-label': rowWords(row, data.layers),
          x: x(row.startMs),
          y: top + LANE_HEAD + lane.lines[at]! * (BAR + 2),
          width: Math.max(2.5, x(row.endMs) - x(row.startMs)),
          height: BAR,
          rx: 2,
          'fill-opacity': row.count === undefined ? 1 : 0.45,
        });
        bar.style.fill = colour(row.layer);
        withTip(bar, () => rowWords(row, data.layers));
        bar.addEventListener('click', () => onFile(row.path));
        bar.addEventListener('keydown', (event) => {
          if (event.key === 'Enter') onFile(row.path);
        });
        bars.push(bar);
      }
      top += lane.height;
    }
    svg.append(...bars);
    roving(bars);
    return svg;
  }

  /** A step at the end of each copy-up. */
  function sumPath(x: (ms: number) => number): string {
    const ends = rows.toSorted((a, b) => a.endMs - b.endMs);
    const total = ends.reduce((sum, row) => sum + row.bytes, 0) || 1;
    const floor = TOP + SUM_HEIGHT;
    let copied = 0;
    const steps = ends.map((row) => {
      copied += row.bytes;
      return `H${x(row.endMs).toFixed(1)}V${(floor - (copied / total) * SUM_HEIGHT).toFixed(1)}`;
    });
    return `M${x(0)},${floor}${steps.join('')}H${x(until)}V${floor}Z`;
  }
}

function laneMarks({ name, rows, height }: Lane, top: number, width: number): SVGElement[] {
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const waited = rows.reduce((sum, row) => sum + (row.waitedMs ?? 0), 0);
  const room = Math.floor((width - FIGURES_WIDTH) / LETTER_WIDTH);
  return [
    shape('rect', {
      class: 'lane',
      x: 0,
      y: top + LANE_HEAD - 2,
      width,
      height: height - LANE_HEAD - 1,
      rx: 4,
    }),
    shape('text', { class: 'process', x: 2, y: top + LANE_HEAD - 7 }, ellipsis(name, room)),
    shape(
      'text',
      { x: width - 2, y: top + LANE_HEAD - 7, 'text-anchor': 'end' },
      `${sizeWords(bytes)}, ${timeWords(waited)}`,
    ),
  ];
}

/** The processes that copied most, each on its own lane, and one for the others. */
function lanesOf(rows: readonly Timed[]): Lane[] {
  const bytes = (members: readonly Timed[]) => members.reduce((sum, row) => sum + row.bytes, 0);
  const groups = [...Map.groupBy(rows, nameOf)].sort(([, a], [, b]) => bytes(b) - bytes(a));
  const own = groups.length > LANES ? groups.slice(0, LANES - 1) : groups;
  const others = groups.slice(own.length).flatMap(([, members]) => members);
  if (others.length > 0) own.push([`${groups.length - own.length} other processes`, others]);
  return own.map(([name, members]) => {
    const lines = linesOf(members);
    return { name, rows: members, lines, height: LANE_HEAD + (Math.max(...lines) + 1) * (BAR + 2) + 6 };
  });
}

const nameOf = ({ command, count }: ReportRow): string =>
  command ?? (count === undefined ? 'unknown process' : 'small files of all processes');

/** The first line that is free at the row's start; the last one takes what finds none. */
function linesOf(rows: readonly Timed[]): number[] {
  const busyUntil: number[] = [];
  return rows.map(({ startMs, endMs }) => {
    const free = busyUntil.findIndex((until) => until <= startMs);
    const line = free !== -1 ? free : Math.min(busyUntil.length, MOST_LINES - 1);
    busyUntil[line] = Math.max(busyUntil[line] ?? 0, endMs);
    return line;
  });
}
