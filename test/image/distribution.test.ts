import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, hexOf, parseDiffID } from '../../src/core/digest/digest.js';
import { DistributionMaps } from '../../src/image/distribution.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const diffID = parseDiffID(digestOf('layer'));
const source = (blob: string, repository = 'docker.io/library/redis') => ({
  digest: digestOf(blob),
  sourceRepository: repository,
});

describe('distribution maps', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let maps: DistributionMaps;
  beforeEach(() => {
    root = temporaryDirectory();
    maps = new DistributionMaps(root.path);
  });
  afterEach(() => root.remove());

  it("writes Docker's two files for a layer", () => {
    maps.record(diffID, source('blob'));
    expect(readFileSync(join(root.path, 'diffid-by-digest/sha256', hexOf(digestOf('blob'))), 'utf8')).toBe(
      diffID,
    );
    expect(readFileSync(join(root.path, 'v2metadata-by-diffid/sha256', hexOf(diffID)), 'utf8')).toBe(
      `[{"Digest":"${digestOf('blob')}","SourceRepository":"docker.io/library/redis","HMAC":""}]`,
    );
    expect(maps.diffIDOf(digestOf('blob'))).toBe(diffID);
    expect(maps.diffIDOf(digestOf('other'))).toBeUndefined();
  });

  it('keeps the newest fifty sources, each once, and entries of dockerd with an HMAC', () => {
    const path = join(root.path, 'v2metadata-by-diffid/sha256', hexOf(diffID));
    maps.record(diffID, source('blob'));
    const [entry] = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify([{ ...entry, HMAC: 'ab' }]));
    for (let n = 0; n < 49; n++) maps.record(diffID, source('blob', `docker.io/r/${n}`));
    maps.record(diffID, source('blob', 'docker.io/r/0'));
    const sources = maps.sourcesOf(diffID);
    expect(sources).toHaveLength(50);
    expect(sources[0]?.sourceRepository).toBe('docker.io/library/redis');
    expect(sources.at(-1)?.sourceRepository).toBe('docker.io/r/0');
    maps.record(diffID, source('blob', 'docker.io/r/new'));
    expect(maps.sourcesOf(diffID)).toHaveLength(50);
    expect(maps.sourcesOf(diffID)[0]?.sourceRepository).toBe('docker.io/r/1');
  });

  it('forgets a layer with its blobs', () => {
    maps.record(diffID, source('one'));
    maps.record(diffID, source('two'));
    maps.remove(diffID);
    expect(maps.diffIDOf(digestOf('one'))).toBeUndefined();
    expect(maps.sourcesOf(diffID)).toEqual([]);
  });

  it('takes a damaged file for an absent one and replaces it', () => {
    maps.record(diffID, source('blob'));
    writeFileSync(join(root.path, 'diffid-by-digest/sha256', hexOf(digestOf('blob'))), '../../etc');
    writeFileSync(join(root.path, 'v2metadata-by-diffid/sha256', hexOf(diffID)), '[{"Digest":"../x"}]');
    expect(maps.diffIDOf(digestOf('blob'))).toBeUndefined();
    expect(maps.sourcesOf(diffID)).toEqual([]);
    maps.record(diffID, source('blob'));
    expect(maps.diffIDOf(digestOf('blob'))).toBe(diffID);
  });
});
