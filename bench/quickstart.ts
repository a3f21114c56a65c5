/**
 * npm run quickstart [-- --root DIR]: the main job for real, on a machine that has nothing yet. Makes a redis image
 * from Debian packages, serves it from gantry's own registry on loopback, pulls it, runs it detached under a memory
 * limit with a published port, looks at it from inside and outside, stops and starts it, commits it, hands it to a second store,
 * and profiles its copy-ups there. Leaves nothing behind but the image builder's cache, with the profile's page in it
 * (and --root, where given). Exits with 1 if any step failed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runDirectory } from '../src/runtime/host-facts.js';
import { benchDir } from './images/build.js';
import { lookAround, run, stopAndStart } from './tour/container.js';
import { commit, handOver, profile } from './tour/handover.js';
import { build, pull, serve } from './tour/image.js';
import { enterOwnNetwork } from './tour/own-network.js';
import { Stage } from './tour/stage.js';
import { containerPlace } from './tour/store-map.js';

const { values } = parseArgs({ options: { root: { type: 'string' } } });
if (values.root !== undefined && containerPlace(values.root, 'tour') !== undefined) {
  throw new Error(`${values.root} has a container named tour already`);
}
const work = mkdtempSync(join(tmpdir(), 'gantry-quickstart-'));
const there = join(work, 'other-root');
const stage = new Stage(resolve(values.root ?? join(work, 'root')));
const page = join(benchDir(), 'copyup-report.html');

try {
  const image = await build(stage);
  const own = enterOwnNetwork();
  const reference = await serve(stage, image, join(work, 'served'));
  await pull(stage, reference, image);
  const at = await run(stage, reference, own);
  await lookAround(stage);
  await stopAndStart(stage, at);
  await commit(stage);
  await handOver(stage, there, work);
  await profile(stage, there, at, page);
  stage.say(`
━━ What happened

  A registry that knows nothing of gantry's insides handed out four gzip blobs. Each was fetched, hashed, inflated,
  hashed again and unpacked in one pass, all four at the same time, into overlay2/<cache-id>/diff, and published
  in the order of the chain. The root is laid out as Docker's: dockerd can be started on it. The container was an
  overlay mount of these directories with a write layer on top; redis saw it as its whole disk. It outlived stop and start,
  became a fifth layer by commit, and was read-only from then on: to append to a file in it, the kernel first
  copied the whole file. There was no daemon: every line above that starts with $ was a process that came and went.
`);
} catch (error) {
  console.error(
    `\nquickstart failed in step ${stage.step}: ${error instanceof Error ? error.message : error}`,
  );
  process.exitCode = 1;
} finally {
  await stage.close([stage.root, there], ['tour']);
  const stores = values.root === undefined ? [stage.root, there] : [there];
  for (const left of [work, ...stores.map(runDirectory)]) rmSync(left, { recursive: true, force: true });
}
