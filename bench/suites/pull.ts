/**
 * The whole of `gantry pull` of the redis image, as a process, from a local docker-registry into a fresh store, at 1
 * to N layers at once. Stores are removed at the end only (DESIGN §4). Needs root, docker-registry, skopeo and the build.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startRegistry } from '../../test/helpers/registry-fixture.js';
import type { Suite } from '../harness/suite.js';
import { benchDir, ensureImage } from '../images/build.js';
import { GANTRY } from '../peers/tools.js';

const run = promisify(execFile);

export async function pullSuite(): Promise<Suite> {
  const image = await ensureImage('redis', (line) => console.error(line));
  const bytes = image.layers.reduce((total, layer) => total + layer.tarSize, 0);
  const registry = await startRegistry();
  const reference = await registry.push(image, 'redis');
  const dir = mkdtempSync(join(benchDir(), 'pull-'));
  let made = 0;
  const most = Math.min(image.layers.length, 2 * availableParallelism());
  const cases = Array.from({ length: most }, (_, index) => ({
    name: `pull redis, ${index + 1} at once`,
    group: 'pull',
    bytes,
    run: () => run(GANTRY, ['--root', join(dir, `${made++}`), 'pull', '-q', '-j', `${index + 1}`, reference]),
  }));
  return {
    cases,
    close: async () => {
      await registry.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
