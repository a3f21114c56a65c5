/** The figures of copy-ups in words, the same on the terminal and in the page. */
import type { Amplification } from '../../copyup/amplification.js';
import { printable } from '../../copyup/printable.js';
import type { ProfileLayer } from '../../copyup/profile.js';
import { humanSize } from './units.js';

/** "2.15GB" */
export const sizeWords = (bytes: number): string => humanSize(bytes, 3);

/** "850µs", "12.3ms", "1.83s", "3m 5s" */
export function timeWords(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)}µs`;
  if (ms < 999.5) return `${Number(ms.toPrecision(3))}ms`;
  if (ms < 59_950) return `${Number((ms / 1000).toPrecision(3))}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
}

/** "7.5×", "262144×", "25.7M×"; "∞" where nothing that was copied changed, "<1×" where more was written than copied. */
export function timesWords(ratio: Amplification): string {
  if (ratio === null) return '∞';
  if (ratio < 1) return '<1×';
  if (ratio >= 1e6) return `${Number((ratio / 1e6).toPrecision(3))}M×`;
  return `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)}×`;
}

/** "1 file", "2 files" */
export const countWords = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`;

/** What a profile's `lost` means. */
export const lostWords = (lost: number): string =>
  `Something was missed ${countWords(lost, 'time')} (the kernel's queue was full, or a directory lay too deep): totals are a lower bound.`;

/** "2 RUN initdb" */
export function layerWords(layers: readonly ProfileLayer[], index: number): string {
  const createdBy = layers[index]?.createdBy;
  return createdBy === undefined ? String(index) : `${index} ${printable(createdBy.replaceAll(/\s+/g, ' '))}`;
}
