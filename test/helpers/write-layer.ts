/**
 * A tar through LayerWriter into a directory of its own, beside one that nothing may touch:
 *
 *   <base>/outside/{secret, dir/inside}    <base>/staging/diff/
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { privateUmask } from '../../src/core/fsops/at.js';
import { LayerWriter, type Written } from '../../src/layer/layer-writer.js';
import { assembleTar } from '../../src/layer/tar-split-assembler.js';
import { diffTrees, readTree, type Tree } from './tree.js';

export interface LayerSandbox {
  readonly outside: string;
  readonly diff: string;
  /** Unpacks. Rejects with what LayerWriter throws; `changedOutside` can be asked either way. */
  write(tar: Buffer, pieceBytes?: number): Promise<Written>;
  tree(): Tree;
  /** "path type [what]" for everything in the layer; whiteouts and opaque directories by these names. */
  shape(): string[];
  changedOutside(): string[];
  /** The tar again, from the files and tar-split. */
  reassembled(): Promise<Buffer>;
  remove(): void;
}

export function layerSandbox(): LayerSandbox {
  const base = mkdtempSync(join(tmpdir(), 'gantry-layer-'));
  const outside = join(base, 'outside');
  const staging = join(base, 'staging');
  const diff = join(staging, 'diff');
  mkdirSync(join(outside, 'dir'), { recursive: true });
  mkdirSync(diff, { recursive: true, mode: 0o755 });
  writeFileSync(join(outside, 'secret'), 'secret', { mode: 0o600 });
  writeFileSync(join(outside, 'dir/inside'), 'inside');
  const before = readTree(outside);
  return {
    outside,
    diff,
    async write(tar, pieceBytes = 1000) {
      privateUmask();
      const writer = new LayerWriter(staging, await createCrc64());
      try {
        for (let at = 0; at < tar.length; at += pieceBytes)
          writer.write(tar, at, Math.min(tar.length, at + pieceBytes));
        return await writer.finish();
      } finally {
        writer.close();
      }
    },
    tree: () => readTree(diff),
    shape() {
      return [...readTree(diff)]
        .filter(([path]) => path !== '')
        .map(([path, record]) => {
          if (record.type === 'char' && record.device === '0:0') return `${path} whiteout`;
          const opaque = record.xattrs['trusted.overlay.opaque'] === 'y' ? ' opaque' : '';
          const size = record.size === undefined ? '' : ` ${record.size}`;
          return `${path} ${record.type}${size}${record.target === undefined ? '' : ` ${record.target}`}${opaque}`;
        });
    },
    changedOutside: () => diffTrees(before, readTree(outside)),
    async reassembled() {
      const pieces: Buffer[] = [];
      await assembleTar({
        tarSplit: join(staging, 'tar-split.json.gz'),
        files: diff,
        crc: await createCrc64(),
        sink: (bytes) => void pieces.push(Buffer.from(bytes)),
      });
      return Buffer.concat(pieces);
    },
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}
