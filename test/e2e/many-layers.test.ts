/** As many layers as overlayfs and we can stack: pulled, and run from. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage, type LayerSource } from '../../bench/images/layout.js';
import { END_OF_ARCHIVE, tarEntry } from '../../bench/images/tar-header.js';
import { LIMITS } from '../../src/core/limits.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';
import { gantry } from '../helpers/gantry-process.js';
import { serveLayout } from '../helpers/serve-layout.js';
import { damagedLayers, inconsistencies } from '../helpers/store-check.js';

describe.skipIf(process.getuid?.() !== 0)('127 layers (needs root and a static busybox)', () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-many-'));
  let registry: FaultyRegistry;
  const file = (name: string, data: Buffer, mode = 0o644): Buffer =>
    tarEntry({ name, type: '0', mode, data });
  const layer = (at: number): LayerSource => ({
    createdBy: `layer ${at}`,
    from: [
      ...(at === 0
        ? [file('bin/sh', readFileSync('/bin/busybox'), 0o755)]
        : [file(`layers/.wh.${at - 1}`, Buffer.alloc(0))]),
      ...[file(`layers/${at}`, Buffer.from('x')), file('last', Buffer.from(`layer ${at}\n`)), END_OF_ARCHIVE],
    ],
  });
  const served = async (layers: number): Promise<string> => {
    const dir = join(work, `image-${layers}`);
    await buildImage({ dir, layers: Array.from({ length: layers }, (_, at) => layer(at)) });
    return serveLayout(registry, dir, `layers-${layers}`);
  };
  beforeAll(async () => {
    registry = await startFaultyRegistry();
  });
  afterAll(async () => {
    await registry.close();
    rmSync(runDirectory(join(work, 'root')), { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  });

  it('are pulled and run', async () => {
    const root = join(work, 'root');
    const reference = await served(LIMITS.layers);
    expect(await gantry(root, 'pull', '-q', reference)).toMatchObject({ code: 0, err: '' });
    expect(inconsistencies(root)).toEqual([]);
    expect(await damagedLayers(root)).toEqual([]);
    const { code, out, err } = await gantry(
      root,
      ...['run', '--rm', '--network', 'none', reference],
      ...['/bin/sh', '-c', 'echo /layers/*; cat /last'],
    );
    expect([code, out, err]).toEqual([0, `/layers/${LIMITS.layers - 1}\nlayer ${LIMITS.layers - 1}\n`, '']);
  }, 60_000);

  it('one more is refused before a layer is fetched', async () => {
    const reference = await served(LIMITS.layers + 1);
    const { code, err } = await gantry(join(work, 'other'), 'pull', '-q', reference);
    expect(code).toBe(1);
    expect(err).toMatch(/layers: .*<=127 but received 128/);
  });
});
