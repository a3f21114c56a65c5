/** What to do, with the reason, the paths and the command. */
import type { PageData } from '../render/copyup-page.js';
import { countWords, sizeWords, timeWords } from '../render/copyup-words.js';
import { byId, element } from './element.js';

export function drawAdvice({ advice }: PageData): void {
  const none = element('li', {}, 'Nothing: these copy-ups cost less than any change that would avoid them.');
  byId('advices').replaceChildren(
    ...(advice.length === 0
      ? [none]
      : advice.map(({ title, because, reason, paths, where, command }) => {
          const { files, bytes, waitedMs } = because;
          const waited = waitedMs === undefined ? '' : `, ${timeWords(waitedMs)} of waiting`;
          const more = files > paths.length && paths.length > 1 ? ', …' : '';
          const prompt = where === 'shell' ? '$ ' : 'Dockerfile: ';
          return element(
            'li',
            {},
            element('h3', {}, title),
            element(
              'p',
              { class: 'soft' },
              `${reason[0]!.toUpperCase()}${reason.slice(1)}. Here: ${sizeWords(bytes)} in ${countWords(files, 'file')}${waited}.`,
            ),
            element('p', { class: 'path' }, `${paths.join(', ')}${more}`),
            element('pre', {}, element('code', { 'data-prompt': prompt }, command)),
          );
        })),
  );
}
