/** The tour's first half: an image that is built, served, pulled, and then lies in the store as layers. */
import { mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDiffID } from '../../src/core/digest/digest.js';
import { freePort } from '../../test/helpers/registry-fixture.js';
import { ensureImage, type ImageFacts } from '../images/build.js';
import type { Stage } from './stage.js';
import { layerPlaces } from './store-map.js';

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export async function build(stage: Stage): Promise<ImageFacts> {
  stage.title('A redis image of four layers, from Debian packages');
  const image = await ensureImage('redis', (line) => stage.say(`  ${line}`));
  for (const layer of image.layers) {
    const packed = mb(layer.size);
    stage.say(`  ${layer.digest.slice(0, 19)}  ${packed} compressed, ${mb(layer.tarSize)} of files`);
  }
  return image;
}

/** Gives the reference. `directory` is for what the server needs. */
export async function serve(stage: Stage, image: ImageFacts, directory: string): Promise<string> {
  stage.title('A registry on loopback');
  // The server names a repository after its directory.
  mkdirSync(directory);
  const layout = join(directory, 'redis');
  symlinkSync(image.dir, layout);
  const host = `127.0.0.1:${await freePort()}`;
  const server = stage.start('registry', 'serve', layout, '--listen', host);
  for (let waited = 0; ; waited += 50) {
    if (server.exitCode !== null || waited > 10_000) throw new Error('the registry server did not start');
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok) break;
    await sleep(50);
  }
  return `${host}/redis:latest`;
}

export async function pull(stage: Stage, reference: string, image: ImageFacts): Promise<void> {
  stage.title('Pull: all layers at once, every byte verified');
  await stage.watch('pull', reference);

  stage.title('What is there now');
  await stage.gantry('images', '--digests');
  stage.say();
  await stage.gantry('history', reference);
  stage.say(`\n${stage.root}/`);
  const diffIDs = image.layers.map(({ diffID }) => parseDiffID(diffID));
  for (const layer of layerPlaces(stage.root, diffIDs)) {
    stage.say(`  image/overlay2/layerdb/${layer.chainID.replace(':', '/').slice(0, 19)}…/cache-id`);
    stage.say(`    → overlay2/${layer.cacheID.slice(0, 12)}…/diff  ${mb(layer.size)}`);
    const target = readlinkSync(join(stage.root, 'overlay2/l', layer.link));
    stage.say(`    ← overlay2/l/${layer.link} -> ${target.slice(0, 16)}…/diff`);
  }
}
