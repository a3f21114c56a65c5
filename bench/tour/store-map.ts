/** Where an image's layers and a container lie in a gantry (or Docker) root, read from its files alone. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chainIDsOf, type DiffID, hexOf } from '../../src/core/digest/digest.js';

export interface LayerPlace {
  readonly chainID: string;
  readonly cacheID: string;
  readonly link: string;
  readonly size: number;
}

const read = (...path: string[]): string => readFileSync(join(...path), 'utf8').trim();

/** The layers of the image with these diffIDs. */
export function layerPlaces(root: string, diffIDs: readonly DiffID[]): LayerPlace[] {
  return chainIDsOf(diffIDs).map((chainID) => {
    const dir = join(root, 'image/overlay2/layerdb/sha256', hexOf(chainID));
    const cacheID = read(dir, 'cache-id');
    const size = Number(read(dir, 'size'));
    return { chainID, cacheID, link: read(root, 'overlay2', cacheID, 'link'), size };
  });
}

export interface ContainerPlace {
  readonly id: string;
  readonly files: readonly string[];
  /** Directory of the write layer under overlay2/. */
  readonly mountID: string;
  /** Files and directories in the write layer, relative. */
  readonly written: readonly string[];
}

/** The container of that name, or undefined when there is none. */
export function containerPlace(root: string, name: string): ContainerPlace | undefined {
  const containers = join(root, 'containers');
  for (const id of existsSync(containers) ? readdirSync(containers) : []) {
    const config = JSON.parse(read(containers, id, 'config.v2.json')) as { Name?: string };
    if (config.Name !== `/${name}`) continue;
    const mountID = read(root, 'image/overlay2/layerdb/mounts', id, 'mount-id');
    const diff = join(root, 'overlay2', mountID, 'diff');
    const written = readdirSync(diff, { recursive: true, encoding: 'utf8' }).sort();
    return { id, files: readdirSync(join(containers, id)).sort(), mountID, written };
  }
  return undefined;
}

/** Mount points at or under `root` in this mount namespace. */
export const mountsUnder = (root: string): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path === root || path.startsWith(`${root}/`));
