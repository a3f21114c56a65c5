import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { benchPlan } from '../../src/copyup/bench-sets.js';
import { scratchOverlay } from '../../src/copyup/scratch-overlay.js';
import { benchCopyUp, copyUpBenchSets } from '../../src/engine/copyup-bench.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const GiB = 2 ** 30;

it('measures no file for which there is no room', () => {
  const largest = (free: number, quick = false) => Math.max(...benchPlan('/', free, quick).sizes);
  expect(largest(100 * GiB)).toBe(GiB);
  expect(largest(100 * GiB, true)).toBe(2 ** 24);
  expect(largest(GiB)).toBe(2 ** 27);
  expect(benchPlan('/', 0, false).sizes).toEqual([]);
});

const why = whyNoContainers();
describe.skipIf(why !== undefined)(`copy-up bench${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => {
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(directory.path);
    directory.remove();
  });

  it('has an overlay that no tree shows, over 127 layers, under any name', () => {
    const odd = join(directory.path, 'with:a, comma');
    const lowers = Array.from({ length: 127 }, (_, at) => `l${at}`);
    for (const lower of lowers) mkdirSync(join(odd, lower), { recursive: true });
    writeFileSync(join(odd, 'l126/file'), 'lowest');
    const overlay = scratchOverlay({ directory: odd, lowers, upper: 'u0' });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('u0');
    closeSync(openSync(join(overlay.path, 'file'), 'r+'));
    expect(readFileSync(join(overlay.upper, 'file'), 'utf8')).toBe('lowest');
    overlay.close();
    expect(readdirSync(join(odd, 'merged'))).toEqual([]);
  });

  it('measures every case of every set, and each sample is a copy-up', async () => {
    const plan = { directory: directory.path, sizes: [4096, 2 ** 20], depths: [127], xattrs: [16] };
    const seen: string[] = [];
    for (const set of copyUpBenchSets(plan, true)) {
      const rounds = set.group === 'threads' ? 2 : 10;
      for (let round = 0; round < rounds; round++) {
        for (const { once } of set.cases) expect(await once()).toBeGreaterThan(0);
      }
      seen.push(...set.cases.map(({ name }) => `${set.group} ${set.value} ${name}`));
      const uppers = join(directory.path, `${set.group}-${set.value}`);
      if (set.bytes === 4096 && set.group !== 'threads') {
        expect(readdirSync(join(uppers, 'plain-0')).sort()).toEqual(
          Array.from({ length: 10 }, (_, at) => `f${at}`),
        );
      }
      await set.close();
    }
    expect(seen).toEqual(
      expect.arrayContaining([
        'size 4096 copy-up',
        'size 4096 chmod',
        'size 1048576 copy_file_range',
        'size 1048576 read and write',
        'depth 127 copy-up',
        'xattrs 16 copy-up',
        'threads 1 64 files',
        'threads 2 64 files',
      ]),
    );
  });

  it('takes its directory away when it is canceled', async () => {
    const abort = new AbortController();
    const rows: string[] = [];
    const bench = benchCopyUp({
      dir: directory.path,
      quick: true,
      signal: abort.signal,
      onRow: ({ name }) => {
        rows.push(name);
        abort.abort();
      },
    });
    await expect(bench).rejects.toMatchObject({ code: 'ERR_CANCELED' });
    expect(rows).toContain('copy-up');
    expect(existsSync(directory.path) && readdirSync(directory.path)).toEqual([]);
  });
});
