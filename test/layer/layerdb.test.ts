import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChainID, digestOf, hexOf, parseChainID, parseDiffID } from '../../src/core/digest/digest.js';
import { newCacheID, newContainerID, parseCacheID } from '../../src/core/ids.js';
import { LayerDB, type LayerRecord } from '../../src/layer/layerdb.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const chain = (name: string): ChainID => parseChainID(digestOf(name));
const record = (name: string, parent?: string): LayerRecord => ({
  chainID: chain(name),
  diffID: parseDiffID(digestOf(`diff ${name}`)),
  ...(parent === undefined ? {} : { parent: chain(parent) }),
  cacheID: newCacheID(),
  size: 42,
});

describe('layerdb', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let db: LayerDB;
  let tarSplit: string;
  const file = (name: string, of: ChainID = chain('b')) => join(root.path, 'layerdb/sha256', hexOf(of), name);
  beforeEach(() => {
    root = temporaryDirectory();
    db = new LayerDB(join(root.path, 'layerdb'));
    tarSplit = join(root.path, 'ts');
    writeFileSync(tarSplit, 'tar-split');
  });
  afterEach(() => root.remove());

  it("writes Docker's files and reads them back", () => {
    const written = db.write(record('b', 'a'), tarSplit);
    expect(readdirSync(file('.')).sort()).toEqual([
      'cache-id',
      'diff',
      'parent',
      'size',
      'tar-split.json.gz',
    ]);
    expect(readFileSync(file('cache-id'), 'utf8')).toBe(written.cacheID);
    expect(readFileSync(file('diff'), 'utf8')).toBe(written.diffID);
    expect(readFileSync(file('parent'), 'utf8')).toBe(chain('a'));
    expect(readFileSync(file('size'), 'utf8')).toBe('42');
    expect(readFileSync(db.tarSplit(chain('b')), 'utf8')).toBe('tar-split');
    expect(db.get(chain('b'))).toEqual(written);
    expect(db.list()).toEqual([chain('b')]);
    expect(readdirSync(join(root.path, 'layerdb/tmp'))).toEqual([]);
  });

  it('gives a base layer no parent file', () => {
    db.write(record('b'), tarSplit);
    expect(readdirSync(file('.'))).not.toContain('parent');
    expect(db.get(chain('b'))).not.toHaveProperty('parent');
  });

  it.each(['cache-id', 'diff', 'size', 'tar-split.json.gz', 'parent'])(
    'takes an entry with an empty %s for absent, and replaces it',
    (name) => {
      db.write(record('b', 'a'), tarSplit);
      writeFileSync(file(name), '');
      expect(db.get(chain('b'))).toBeUndefined();
      rmSync(tarSplit, { force: true });
      writeFileSync(tarSplit, 'tar-split');
      const again = db.write(record('b', 'a'), tarSplit);
      expect(db.get(chain('b'))).toEqual(again);
    },
  );

  it.each(['cache-id', 'diff', 'size', 'tar-split.json.gz'])(
    'takes an entry without %s for absent',
    (name) => {
      db.write(record('b', 'a'), tarSplit);
      rmSync(file(name));
      expect(db.get(chain('b'))).toBeUndefined();
    },
  );

  it('takes ids that are none for absent, so none becomes a path', () => {
    db.write(record('b'), tarSplit);
    writeFileSync(file('cache-id'), '../../../etc');
    expect(db.get(chain('b'))).toBeUndefined();
  });

  it('keeps the entry that is there', () => {
    const first = db.write(record('b'), tarSplit);
    expect(db.write(record('b'), tarSplit)).toEqual(first);
  });

  it('begins a transaction anew after a kill', () => {
    mkdirSync(join(root.path, 'layerdb/tmp', hexOf(chain('b'))), { recursive: true });
    writeFileSync(join(root.path, 'layerdb/tmp', hexOf(chain('b')), 'size'), '1');
    expect(db.transactions()).toEqual([chain('b')]);
    db.write(record('b'), tarSplit);
    expect(db.get(chain('b'))?.size).toBe(42);
    expect(db.transactions()).toEqual([]);
  });

  it('removes in two steps, the second of which a sweep can take', () => {
    const { cacheID } = db.write(record('b'), tarSplit);
    expect(db.remove(chain('b'))?.cacheID).toBe(cacheID);
    expect(db.get(chain('b'))).toBeUndefined();
    const [unfinished] = db.unfinishedRemovals();
    expect(unfinished?.cacheID).toBe(cacheID);
    unfinished?.finish();
    expect(db.unfinishedRemovals()).toEqual([]);
    expect(db.remove(chain('b'))).toBeUndefined();
  });

  it('keeps what belongs to a container', () => {
    const id = newContainerID();
    const mount = { mountID: parseCacheID(id), initID: parseCacheID(`${id}-init`), parent: chain('b') };
    expect(db.mounts.get(id)).toBeUndefined();
    db.mounts.set(id, mount);
    expect(readFileSync(join(root.path, 'layerdb/mounts', id, 'init-id'), 'utf8')).toBe(`${id}-init`);
    expect(db.mounts.get(id)).toEqual(mount);
    expect(db.mounts.list()).toEqual([id]);
    writeFileSync(join(root.path, 'layerdb/mounts', id, 'mount-id'), '../x');
    expect(() => db.mounts.get(id)).toThrow(expect.objectContaining({ code: 'ERR_STORE_CORRUPT' }));
    db.mounts.remove(id);
    expect(db.mounts.list()).toEqual([]);
  });
});
