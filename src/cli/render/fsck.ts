/** What a check found, a line for each problem: where, what, expected, found, and what to do or what was done. */
import { printable } from '../../copyup/printable.js';
import type { FsckProblem, FsckReport } from '../../engine/fsck.js';
import { humanSize } from './units.js';

/**
 *   overlay2/3f…/diff/etc/passwd: mode: expected 0644, found 0600 (fetch its layer again: --repair)
 */
export function renderFsck({ problems, layers, files, bytes, ms }: FsckReport): string {
  const left = problems.filter(({ repaired }) => !repaired).length;
  const lines = problems.map((problem) => {
    const { where, what, expected, found } = problem;
    return `${printable(`${where}: ${what}: expected ${expected}, found ${found} (${outcome(problem)})`)}\n`;
  });
  const mended = problems.length - left;
  const seen = `Checked ${count(layers, 'layer')}, ${count(files, 'file')}, ${humanSize(bytes)} in ${(ms / 1000).toFixed(1)} s`;
  const result =
    problems.length === 0
      ? 'no problems'
      : `${count(problems.length, 'problem')}${mended > 0 ? `, ${mended} repaired, ${left} left` : ''}`;
  return `${lines.join('')}${seen}: ${result}\n`;
}

function outcome({ remedy, repaired, reason }: FsckProblem): string {
  if (repaired) return 'repaired';
  if (reason !== undefined) return `not repaired: ${reason}`;
  switch (remedy.kind) {
    case 'layer':
      return `${remedy.fetch ? 'fetch the layer again' : 'write it again'}: --repair`;
    case 'links':
      return 'write it again: --repair';
    case 'sweep':
    case 'remove':
      return 'remove it: --repair';
    case 'config':
      return 'fetch the image config again: --repair';
    case 'command':
      return remedy.command;
  }
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
