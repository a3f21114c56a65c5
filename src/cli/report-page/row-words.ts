/** What a row says of itself, in tips and labels. */
import { amplification } from '../../copyup/amplification.js';
import type { ReportRow } from '../../copyup/report-rows.js';
import { countWords, sizeWords, timesWords, timeWords } from '../render/copyup-words.js';

export type BlockSize = 'block4k' | 'block64k';

export function ratioOf(row: ReportRow, blocks: BlockSize = 'block4k') {
  return row.changed && amplification(row.compared ?? 0, row.changed[blocks]);
}

/** "postgres (4021)" */
export function processOf({ command, pid }: ReportRow): string {
  if (command === undefined) return pid === undefined ? '' : String(pid);
  return pid === undefined ? command : `${command} (${pid})`;
}

/** A line each for a tip. */
export function rowWords(row: ReportRow, layers: readonly string[]): string {
  const { path, count, bytes, changed, waitedMs, startMs, cause, layer, gone } = row;
  const ratio = ratioOf(row);
  const process = processOf(row);
  return [
    count === undefined ? path : `${path} (${countWords(count, 'file')})`,
    `${sizeWords(bytes)} copied${changed === undefined ? '' : `, ${sizeWords(changed.block4k)} changed`}${ratio === undefined || ratio === null ? '' : `, ${timesWords(ratio)}`}`,
    waitedMs === undefined
      ? ''
      : `waited ${timeWords(waitedMs)}${startMs === undefined ? '' : `, ${timeWords(startMs)} into the run`}`,
    [cause === 'unknown' ? '' : cause, process].filter(Boolean).join(' by '),
    layer === undefined ? '' : `from layer ${layers[layer]}`,
    gone ? 'gone before the end' : '',
  ]
    .filter(Boolean)
    .join('\n');
}
