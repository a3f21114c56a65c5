/** Pool tasks for copy-up. Thin: src/copyup does the work; a task leaves nothing open behind. */

import { newCompareBuffers } from '../src/copyup/changed-blocks.js';
import { compareStretch, type Stretch } from '../src/copyup/compare-stretch.js';
import { type CopyUpRequest, copyUpFiles } from '../src/copyup/copy-up-file.js';
import { ProgressWords } from '../src/core/progress-words.js';
import { task } from './task.js';

/** What this thread keeps between tasks; a worker is a module of its own, so this is its state and nobody else's. */
const buffers = newCompareBuffers();

/** One answer for each stretch, undefined where there are not two files to compare. */
export const compareFiles = task(async (stretches: readonly Stretch[]) =>
  stretches.map((stretch) => compareStretch(stretch, buffers)),
);

/** Fewer outcomes than paths when it was canceled or the disk is full. */
export const copyUp = task(async ({ words, ...request }: CopyUpRequest & { words: SharedArrayBuffer }) => {
  const progress = new ProgressWords(words);
  return copyUpFiles(request, () => progress.canceled);
});
