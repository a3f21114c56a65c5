/** A list of names, each with its share of the copied bytes. */
import type { Tally } from '../../copyup/summary.js';
import { countWords, sizeWords, timeWords } from '../render/copyup-words.js';
import { element } from './element.js';

export function drawShares(list: HTMLElement, items: readonly (Tally & { readonly name: string })[]): void {
  const most = Math.max(1, ...items.map(({ bytes }) => bytes));
  list.replaceChildren(
    ...items.map(({ name, bytes, files, waitedMs }) => {
      const bar = element('div', { class: 'changed' });
      bar.style.width = `${(100 * bytes) / most}%`;
      const waited = waitedMs === undefined ? '' : `, ${timeWords(waitedMs)}`;
      return element(
        'li',
        {},
        element('span', {}, name),
        element('span', { class: 'figure' }, sizeWords(bytes)),
        element('div', { class: 'track', 'aria-hidden': 'true' }, bar),
        element('span', { class: 'small' }, `${countWords(files, 'file')}${waited}`),
      );
    }),
  );
}
