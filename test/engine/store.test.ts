import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

describe('store', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    root = temporaryDirectory();
  });
  afterEach(() => root.remove());

  it('is shared by many and held alone by one', async () => {
    const [one, two] = [openStore(root.path), openStore(root.path)];
    const shared = await one.lock('shared');
    const alsoShared = await two.lock('shared');
    const soon = { signal: AbortSignal.timeout(60) };
    await expect(two.lock('exclusive', soon)).rejects.toMatchObject({ code: 'ERR_CANCELED' });
    shared.release();
    alsoShared.release();
    const exclusive = await two.lock('exclusive');
    await expect(one.lock('shared', { signal: AbortSignal.timeout(60) })).rejects.toMatchObject({
      code: 'ERR_CANCELED',
    });
    exclusive.release();
    (await one.lock('shared')).release();
  });

  it('keeps its root from the host’s users', async () => {
    const store = openStore(join(root.path, 'new'));
    (await store.lock('shared')).release();
    expect(statSync(store.root).mode & 0o007).toBe(0);
  });

  it('takes a relative root as it is meant now', () => {
    expect(openStore('x').root).toBe(join(process.cwd(), 'x'));
  });

  it('opens and lists without loading native code', () => {
    mkdirSync(join(root.path, 'image'));
    const script = `
      import { openStore } from '${join(process.cwd(), 'src/engine/store.ts')}';
      const store = openStore(${JSON.stringify(root.path)});
      store.images.all(); store.tags.all(); store.layers.list();
      if (Object.keys(process.report.getReport().sharedObjects).length === 0) throw new Error('no report');
      const native = process.report.getReport().sharedObjects.filter((name) => name.includes('koffi'));
      if (native.length > 0) throw new Error(native.join());`;
    const bundled = join(process.cwd(), 'node_modules', `.store-${process.pid}`);
    const flags = ['--bundle', '--platform=node', '--format=esm', '--packages=external', '--splitting'];
    try {
      execFileSync(
        'node_modules/.bin/esbuild',
        [...flags, '--loader=ts', `--outdir=${bundled}`, '--out-extension:.js=.mjs'],
        { input: script, stdio: ['pipe', 'ignore', 'pipe'] },
      );
      execFileSync('node', [join(bundled, 'stdin.mjs')], { stdio: ['ignore', 'ignore', 'pipe'] });
    } finally {
      execFileSync('rm', ['-rf', bundled]);
    }
  });
});
