/** Draws the report from the JSON in the page (PageData); runs once the document is parsed. */
import type { PageData } from '../render/copyup-page.js';
import { countWords, lostWords, sizeWords, timesWords, timeWords } from '../render/copyup-words.js';
import { drawAdvice } from './advice-list.js';
import { drawAmplification } from './amplified.js';
import { byId, element } from './element.js';
import { drawTable } from './file-table.js';
import { layerColours } from './layer-colours.js';
import { drawShares } from './shares.js';
import { drawTimeline } from './timeline.js';
import { drawTreemap } from './treemap.js';

const data = JSON.parse(byId('report').textContent ?? '') as PageData;

document.title = `Copy-ups of ${data.name}`;
byId('name').textContent = data.name;
byId('facts').textContent = [
  data.image,
  new Date(data.startedAt)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z/, ' UTC'),
  data.source === 'upper' ? 'from the upper directory alone' : '',
  data.durationMs === undefined ? '' : `traced for ${timeWords(data.durationMs)}`,
  data.exitCode === undefined ? '' : `exit status ${data.exitCode}`,
]
  .filter(Boolean)
  .join(' · ');
byId('notices').replaceChildren(...notices().map((text) => element('p', { class: 'notice' }, text)));
byId('tiles').replaceChildren(
  ...tiles().map(([name, figure, note]) =>
    element(
      'dl',
      { class: 'tile' },
      element('dt', {}, name),
      element('dd', { class: 'figure' }, figure),
      element('p', {}, note),
    ),
  ),
);

const colour = layerColours(data);
const showFile = drawTable(data);
drawTreemap(data, colour, showFile);
drawTimeline(data, colour, showFile);
drawAmplification(data);
drawShares(byId('processes'), data.byProcess);
drawShares(
  byId('causes'),
  data.byCause.map((tally) => ({ ...tally, name: tally.cause })),
);
drawAdvice(data);

function notices(): string[] {
  const lumps = data.rows.filter(({ count }) => count !== undefined);
  const files = lumps.reduce((sum, { count = 0 }) => sum + count, 0);
  return [
    ...(data.lost > 0 ? [lostWords(data.lost)] : []),
    ...(data.leftOut
      ? [`${countWords(data.leftOut, 'file')} left out by --top; totals and advice are of all files.`]
      : []),
    ...(files > 0
      ? [`The ${files} least costly files are added up by directory and layer, so that the page stays small.`]
      : []),
  ];
}

function tiles(): (readonly [string, string, string])[] {
  const { totals, created, runShare, busyMs } = data;
  const { bytes, files, changed, compared, amplification, waitedMs } = totals;
  return [
    ['Copied', sizeWords(bytes), `in ${countWords(files, 'file')}`],
    ...(changed === undefined
      ? []
      : [
          [
            'Really changed',
            sizeWords(changed),
            compared === bytes ? 'in blocks of 4 KiB' : `of ${sizeWords(compared ?? 0)} compared`,
          ] as const,
        ]),
    ...(amplification === undefined
      ? []
      : [
          [
            'Amplification',
            timesWords(amplification),
            amplification === null ? 'nothing changed' : 'copied for each byte changed',
          ] as const,
        ]),
    ...(waitedMs === undefined ? [] : [['Waited', timeWords(waitedMs), 'by processes, for copies'] as const]),
    ...(runShare === undefined || busyMs === undefined
      ? []
      : [
          [
            'Share of the run',
            `${(runShare * 100).toFixed(1)}%`,
            `${timeWords(busyMs)} with a copy under way`,
          ] as const,
        ]),
    ['Created', countWords(created.files, 'file'), `${sizeWords(created.bytes)}, nothing copied`],
  ];
}
