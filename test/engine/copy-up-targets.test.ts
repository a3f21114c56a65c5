/** When files are copied up by this thread, and when by several. */
import { closeSync, constants, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CopyUpRequest } from '../../src/copyup/copy-up-file.js';
import type { Target } from '../../src/copyup/warm-targets.js';
import { ProgressWords } from '../../src/core/progress-words.js';
import { copyUpTargets } from '../../src/engine/copy-up-targets.js';
import { Pool } from '../../src/engine/pool.js';
import { type Overlay, overlay } from '../copyup/overlay.js';

const FILES = 8;
const asRoot = process.getuid?.() === 0;

describe.skipIf(!asRoot)(`files to be copied up${asRoot ? '' : ' (skipped: needs root)'}`, () => {
  let mounted: Overlay;
  let root: number;
  beforeEach(() => {
    mounted = overlay();
    for (let at = 0; at < FILES; at++) writeFileSync(join(mounted.lowers[0], `${at}`), 'x');
    mounted.mount();
    root = openSync(mounted.merged, constants.O_RDONLY);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    closeSync(root);
    mounted.remove();
  });

  /** How many files were asked of threads, where each file is told to have so many bytes. */
  async function inThreads(
    bytes: number,
    options: { threads?: number; files?: number } = {},
  ): Promise<number> {
    const { threads = 2, files = FILES } = options;
    const run = vi.spyOn(Pool.prototype, 'run');
    const targets = Array.from({ length: files }, (_, at): Target => ({ path: `${at}`, bytes }));
    const words = new ProgressWords();
    const outcomes = await copyUpTargets(targets, { root, upper: mounted.upper, threads, words });
    expect(outcomes.map(({ path, outcome }) => [path, outcome])).toEqual(
      targets.map(({ path }) => [path, 'copied']),
    );
    for (const { path } of targets) expect(existsSync(join(mounted.upper, path))).toBe(true);
    return run.mock.calls.reduce((sum, [, input]) => sum + (input as CopyUpRequest).paths.length, 0);
  }

  it('go to threads when there is much to copy', async () => {
    expect(await inThreads(1e9)).toBe(FILES);
  });

  it.each([
    ['there is one thread', 1e9, { threads: 1 }],
    ['there is one file, however big', 1e9, { files: 1 }],
    ['there are few small files', 1, { files: 2 }],
    ['there is nothing', 1, { files: 0 }],
  ])('stay in this thread when %s', async (_title, bytes, options) => {
    expect(await inThreads(bytes, options)).toBe(0);
  });
});
