/** Copied against changed, for the files where most was copied for nothing. */
import type { ReportRow } from '../../copyup/report-rows.js';
import type { PageData } from '../render/copyup-page.js';
import { sizeWords, timesWords } from '../render/copyup-words.js';
import { byId, element } from './element.js';
import { type BlockSize, ratioOf } from './row-words.js';

const SHOWN = 10;

export function drawAmplification({ rows }: PageData): void {
  const list = byId('amplification');
  const compared = rows.filter((row) => row.changed !== undefined && (row.compared ?? 0) > 0);
  const draw = (blocks: BlockSize): void => {
    const wasted = (row: ReportRow) => row.compared! - Math.min(row.compared!, row.changed![blocks]);
    const most = compared.toSorted((a, b) => wasted(b) - wasted(a)).slice(0, SHOWN);
    const scale = Math.max(...most.map((row) => row.compared!));
    list.replaceChildren(
      ...(most.length === 0
        ? [element('li', { class: 'soft' }, 'No copy could be compared with its lower file.')]
        : most.map((row) => item(row, blocks, scale))),
    );
  };
  byId('blocks').addEventListener('change', (event) =>
    draw((event.target as HTMLInputElement).value as BlockSize),
  );
  draw('block4k');
}

function item(row: ReportRow, blocks: BlockSize, scale: number): HTMLElement {
  const changed = row.changed![blocks];
  const ratio = ratioOf(row, blocks)!;
  const inner = element('div', { class: 'changed' });
  inner.style.width = `${Math.min(100, (100 * changed) / row.compared!)}%`;
  if (changed > 0) inner.style.minWidth = '2px';
  const outer = element('div', { class: 'copied' }, inner);
  outer.style.width = `${(100 * row.compared!) / scale}%`;
  return element(
    'li',
    { 'data-path': row.path },
    element('span', { class: 'path' }, row.path),
    element('span', { class: 'figure' }, timesWords(ratio)),
    element('div', { class: 'track', 'aria-hidden': 'true' }, outer),
    element('span', { class: 'small' }, `${sizeWords(row.compared!)} copied, ${sizeWords(changed)} changed`),
  );
}
