import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, hexOf, imageIDOf } from '../../src/core/digest/digest.js';
import { ImageDB } from '../../src/image/imagedb.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const config = (text: string) =>
  Buffer.from(
    `{"architecture":"amd64","os":"linux","comment":"${text}","rootfs":{"type":"layers","diff_ids":[]}}`,
  );

describe('imagedb', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let images: ImageDB;
  beforeEach(() => {
    root = temporaryDirectory();
    images = new ImageDB(join(root.path, 'imagedb'));
  });
  afterEach(() => root.remove());

  it('reads as empty where nothing is', () => {
    expect(images.list()).toEqual([]);
    expect(images.get(imageIDOf(config('a')))).toBeUndefined();
  });

  it('keeps a config byte for byte in the file that its digest names', () => {
    const bytes = Buffer.from(` ${config('unknown fields and spaces stay').toString()}\n`);
    const id = images.put(bytes);
    expect(id).toBe(digestOf(bytes));
    expect(readFileSync(join(root.path, 'imagedb/content/sha256', hexOf(id)))).toEqual(bytes);
    expect(images.get(id)?.bytes).toEqual(bytes);
    expect(images.put(bytes)).toBe(id);
    expect(images.list()).toEqual([id]);
  });

  it('keeps parent and time of the last tagging beside it, and forgets both with the image', () => {
    const parent = images.put(config('parent'));
    const id = images.put(config('child'));
    images.setParent(id, parent);
    images.setLastUpdated(id, new Date(0));
    expect(images.get(id)).toMatchObject({ parent, lastUpdated: '1970-01-01T00:00:00.000Z' });
    images.delete(id);
    images.delete(id);
    expect(images.get(id)).toBeUndefined();
    expect(images.get(images.put(config('child')))).not.toHaveProperty('parent');
  });

  it('refuses what is not an image config', () => {
    expect(() => images.put(Buffer.from('{"layers":[]}'))).toThrow(/config/);
    expect(images.list()).toEqual([]);
  });

  it('names a damaged config and what to do, and still lists the others', () => {
    const good = images.put(config('good'));
    const bad = images.put(config('bad'));
    const file = join(root.path, 'imagedb/content/sha256', hexOf(bad));
    writeFileSync(file, '');
    expect(() => images.get(bad)).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_CORRUPT', message: expect.stringContaining(file) }),
    );
    const { images: readable, corrupt } = images.all();
    expect(readable.map((image) => image.id)).toEqual([good]);
    expect(corrupt).toHaveLength(1);
    expect(corrupt[0]?.details.hint).toContain('pull');
  });

  it('overlooks files that are not named like images', () => {
    mkdirSync(join(root.path, 'imagedb/content/sha256'), { recursive: true });
    writeFileSync(join(root.path, 'imagedb/content/sha256/.tmp-x'), '');
    expect(images.list()).toEqual([]);
  });
});
