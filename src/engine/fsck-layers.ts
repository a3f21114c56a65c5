/** Structure of layers: layerdb's entries, the chain they make, and the driver's directories with their links. */
import { existsSync } from 'node:fs';
import { type ChainID, chainIDOf, hexOf, shortID } from '../core/digest/digest.js';
import type { LayerRecord } from '../layer/layerdb.js';
import type { Problem } from './fsck-problem.js';
import type { LayerOrigin } from './layer-origins.js';
import type { Store } from './store.js';

export interface LayerSurvey {
  readonly problems: Problem[];
  /** Those whose files can be looked at. */
  readonly checkable: CheckableLayer[];
}

export interface CheckableLayer extends Omit<LayerRecord, 'size'> {
  readonly size: number;
  /** Directories of the layers below, top first; undefined when one is lost. */
  readonly lowers: readonly string[] | undefined;
}

export const entryPath = (chainID: ChainID, file = ''): string =>
  `image/overlay2/layerdb/sha256/${hexOf(chainID)}${file && `/${file}`}`;

/** `needed` are the layers of images, with what each should be. */
export function surveyLayers(store: Store, origins: ReadonlyMap<ChainID, LayerOrigin>): LayerSurvey {
  const there = new Set(store.layers.db.list());
  const problems: Problem[] = [];
  const checkable: CheckableLayer[] = [];
  for (const chainID of new Set([...origins.keys(), ...there])) {
    if (there.has(chainID)) {
      const layer = surveyEntry(store, chainID, origins.get(chainID), problems);
      if (layer !== undefined) checkable.push(layer);
      continue;
    }
    problems.push({
      where: entryPath(chainID),
      what: 'layer',
      expected: 'an entry, because an image has it',
      found: 'none',
      remedy: { kind: 'layer', chainID, fetch: true },
    });
  }
  return { problems, checkable };
}

function surveyEntry(
  store: Store,
  chainID: ChainID,
  origin: LayerOrigin | undefined,
  problems: Problem[],
): CheckableLayer | undefined {
  const { db } = store.layers;
  const { faults, cacheID, diffID, parent, size } = db.entry(chainID);
  const remedy = (fetch: boolean) => ({ kind: 'layer', chainID, fetch }) as const;
  for (const { file, expected, found } of faults) {
    const fetch = file === 'tar-split.json.gz';
    problems.push({ where: entryPath(chainID, file), what: file, expected, found, remedy: remedy(fetch) });
  }
  const chained = diffID === undefined ? chainID : chainIDOf(parent, diffID);
  if (chained !== chainID && faults.every(({ file }) => file !== 'parent')) {
    problems.push({
      where: entryPath(chainID),
      what: 'diff and parent',
      expected: `those of ${chainID}`,
      found: `those of ${chained}`,
      remedy: remedy(false),
    });
  }
  if (cacheID === undefined) return undefined;
  const below = origin?.parent;
  const under = below === undefined ? undefined : db.entry(below).cacheID;
  const driverFaults = below !== undefined && under === undefined ? [] : store.driver.faults(cacheID, under);
  for (const { path, expected, found, lost } of driverFaults) {
    const where = `overlay2/${path}`;
    const mending = lost ? remedy(true) : ({ kind: 'links' } as const);
    problems.push({ where, what: `links of layer ${shortID(chainID)}`, expected, found, remedy: mending });
  }
  const lost = driverFaults.some((fault) => fault.lost);
  if (lost || origin === undefined || faults.some(({ file }) => file === 'tar-split.json.gz'))
    return undefined;
  return { chainID, ...origin, cacheID, size: size ?? 0, lowers: lowersOf(store, below) };
}

/** By layerdb, because the driver's links may be damaged; undefined when one of them is lost. */
export function lowersOf(store: Store, below: ChainID | undefined): string[] | undefined {
  const lowers: string[] = [];
  for (let at = below; at !== undefined; at = store.layers.db.entry(at).parent) {
    const { cacheID } = store.layers.db.entry(at);
    if (cacheID === undefined || !existsSync(store.driver.files(cacheID))) return undefined;
    lowers.push(store.driver.files(cacheID));
  }
  return lowers;
}
