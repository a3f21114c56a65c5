/** Every row in a table that sorts by its columns and narrows to what is typed or chosen. */
import { amplificationRank } from '../../copyup/amplification.js';
import type { ReportRow } from '../../copyup/report-rows.js';
import type { PageData } from '../render/copyup-page.js';
import { countWords, sizeWords, timesWords, timeWords } from '../render/copyup-words.js';
import { byId, element } from './element.js';
import { processOf, ratioOf } from './row-words.js';

interface Column {
  readonly name: string;
  readonly text: (row: ReportRow) => string;
  /** Numbers come largest first. */
  readonly rank: (row: ReportRow) => number | string;
  readonly kind: 'path' | 'number' | 'layer' | 'text';
}

const PAGE = 25;
const ORDERS = { bytes: 'Copied', time: 'Waited', amplification: 'Amplified' } as const;

/** Gives the function that narrows the table to a path and goes there. */
export function drawTable(data: PageData): (path: string) => void {
  const columns = columnsOf(data).filter(({ text }) => data.rows.some((row) => text(row) !== ''));
  const text = byId<HTMLInputElement>('filter-text');
  const cause = byId<HTMLSelectElement>('filter-cause');
  const layer = byId<HTMLSelectElement>('filter-layer');
  const body = byId('table').querySelector('tbody')!;
  const first = columns.find(({ name }) => name === ORDERS[data.sort]);
  let sorted = { by: first ?? columns.find(({ name }) => name === 'Copied')!, down: true };
  let shown = PAGE;

  const found = (): ReportRow[] => {
    const words = text.value.toLowerCase();
    const rows = data.rows.filter(
      (row) =>
        (words === '' ||
          row.path.toLowerCase().includes(words) ||
          processOf(row).toLowerCase().includes(words)) &&
        (cause.value === '' || row.cause === cause.value) &&
        (layer.value === '' || String(row.layer) === layer.value),
    );
    const { by, down } = sorted;
    const ranked = rows.map((row) => ({ row, rank: by.rank(row) }));
    ranked.sort((a, b) => (a.rank === b.rank ? 0 : a.rank > b.rank === down ? -1 : 1));
    return ranked.map(({ row }) => row);
  };

  const draw = (): void => {
    const rows = found();
    body.replaceChildren(...rows.slice(0, shown).map((row) => line(columns, row)));
    const files = rows.reduce((sum, { count = 1 }) => sum + count, 0);
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    byId('matches').textContent = `${countWords(files, 'file')}, ${sizeWords(bytes)} copied`;
    const more = byId('more');
    more.hidden = rows.length <= shown;
    more.textContent = `Show ${Math.min(PAGE, rows.length - shown)} more of ${rows.length}`;
  };

  const redraw = (): void => {
    shown = PAGE;
    draw();
  };

  const heads = columns.map((column) => {
    const button = element('button', { type: 'button' }, column.name);
    const head = element('th', { scope: 'col', class: column.kind }, button);
    button.addEventListener('click', () => {
      const down = sorted.by === column ? !sorted.down : column.kind === 'number';
      sorted = { by: column, down };
      mark();
      redraw();
    });
    return head;
  });
  const mark = (): void => {
    for (const [at, head] of heads.entries()) {
      if (columns[at] === sorted.by) head.setAttribute('aria-sort', sorted.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
  };

  byId('table')
    .querySelector('thead')!
    .replaceChildren(element('tr', {}, ...heads));
  for (const name of new Set(data.rows.flatMap((row) => row.cause ?? []))) {
    cause.append(element('option', { value: name }, name));
  }
  for (const { layer: index } of data.byLayer) {
    if (index !== undefined) layer.append(element('option', { value: index }, data.layers[index]!));
  }
  for (const field of [text, cause, layer]) field.addEventListener('input', redraw);
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  byId('more').addEventListener('click', () => {
    shown += PAGE;
    draw();
  });
  mark();
  draw();
  return (path) => {
    text.value = path;
    cause.value = '';
    layer.value = '';
    redraw();
    byId('files').scrollIntoView();
    text.focus({ preventScroll: true });
  };
}

function columnsOf({ layers }: PageData): Column[] {
  return [
    { name: 'Path', kind: 'path', text: ({ path }) => path, rank: ({ path }) => path },
    { name: 'Copied', kind: 'number', text: ({ bytes }) => sizeWords(bytes), rank: ({ bytes }) => bytes },
    {
      name: 'Changed',
      kind: 'number',
      text: ({ changed }) => (changed === undefined ? '' : sizeWords(changed.block4k)),
      rank: ({ changed }) => changed?.block4k ?? -1,
    },
    {
      name: 'Amplified',
      kind: 'number',
      text: (row) => {
        const ratio = ratioOf(row);
        return ratio === undefined ? '' : timesWords(ratio);
      },
      rank: (row) => amplificationRank(ratioOf(row)),
    },
    {
      name: 'Waited',
      kind: 'number',
      text: ({ waitedMs }) => (waitedMs === undefined ? '' : timeWords(waitedMs)),
      rank: ({ waitedMs = -1 }) => waitedMs,
    },
    {
      name: 'At',
      kind: 'number',
      text: ({ startMs }) => (startMs === undefined ? '' : timeWords(startMs)),
      rank: ({ startMs = -1 }) => startMs,
    },
    { name: 'Cause', kind: 'text', text: causeOf, rank: causeOf },
    { name: 'Process', kind: 'text', text: processOf, rank: processOf },
    {
      name: 'Layer',
      kind: 'layer',
      text: ({ layer }) => (layer === undefined ? '' : layers[layer]!),
      rank: ({ layer = -1 }) => layer,
    },
  ];
}

const causeOf = ({ cause = '' }: ReportRow): string => (cause === 'unknown' ? '' : cause);

function line(columns: readonly Column[], row: ReportRow): HTMLElement {
  return element(
    'tr',
    {},
    ...columns.map(({ name, kind, text }) => {
      const words = text(row);
      const title = kind === 'layer' && words;
      const cell = element('td', { class: kind, 'data-label': name, title }, words);
      if (kind === 'path' && row.gone) cell.append(' ', element('span', { class: 'badge' }, 'gone'));
      if (kind === 'path' && row.count !== undefined) {
        cell.append(' ', element('span', { class: 'badge' }, countWords(row.count, 'file')));
      }
      return cell;
    }),
  );
}
