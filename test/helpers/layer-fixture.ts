/**
 * Layers for tests of the store, without a tar: files written straight into a staging directory, with a tar-split that
 * fits them. The "tar" of such a layer is `[path]` and the content, file after file; its diffID is the digest of that.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { type ChainID, chainIDOf, digestOf, parseDiffID } from '../../src/core/digest/digest.js';
import type { Layer, ParkedLayer, Staging } from '../../src/engine/layer-store.js';
import type { Store } from '../../src/engine/store.js';
import type { LayerReceipt } from '../../src/layer/receipt.js';

export type Files = Readonly<Record<string, string>>;

/** A fresh directory; a leftover of a failed test is in the temporary directory of the system. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'gantry-store-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export const tarOf = (files: Files): string =>
  Object.entries(files)
    .map(([path, content]) => `[${path}]${content}`)
    .join('');

export async function tarSplitOf(files: Files): Promise<Buffer> {
  const crc = await createCrc64('wasm');
  const lines: unknown[] = [];
  for (const [path, content] of Object.entries(files)) {
    const bytes = Buffer.from(content);
    lines.push({
      type: 2,
      payload: Buffer.from(`[${path}]`).toString('base64'),
      position: lines.length,
    });
    crc.reset();
    crc.update(bytes, 0, bytes.length);
    const payload = bytes.length > 0 ? crc.digest().toString('base64') : null;
    lines.push({ type: 1, name: path, size: bytes.length, payload, position: lines.length });
  }
  return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

export function receiptOf(files: Files, extra: Partial<LayerReceipt> = {}): LayerReceipt {
  const tar = tarOf(files);
  const sha256 = createHash('sha256').update(tar).digest('hex');
  return {
    digest: digestOf(`blob of ${tar}`),
    diffID: parseDiffID(`sha256:${sha256}`),
    compression: 'none',
    compressedSize: tar.length,
    tarSize: tar.length,
    size: Object.values(files).reduce((sum, content) => sum + Buffer.byteLength(content), 0),
    entries: Object.keys(files).length,
    implicitDirs: [],
    whiteouts: [],
    droppedXattrs: 0,
    timings: { total: 0, waiting: 0 },
    retries: 0,
    ...extra,
  };
}

export async function stageFiles(store: Store, files: Files): Promise<Staging> {
  const staging = await store.layers.stage();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(staging.diff, dirname(path)), { recursive: true });
    writeFileSync(join(staging.diff, path), content);
  }
  writeFileSync(join(staging.dir, 'tar-split.json.gz'), await tarSplitOf(files));
  return staging;
}

export async function parkFiles(
  store: Store,
  files: Files,
  parent?: ChainID,
  extra: Partial<LayerReceipt> = {},
): Promise<ParkedLayer> {
  const receipt = receiptOf(files, extra);
  return store.layers.park(chainIDOf(parent, receipt.diffID), await stageFiles(store, files), receipt);
}

export async function commitFiles(
  store: Store,
  files: Files,
  parent?: Layer,
  extra: Partial<LayerReceipt> = {},
): Promise<Layer> {
  return store.layers.commit(await parkFiles(store, files, parent?.chainID, extra), parent);
}
