/**
 * A real layer's tar to disk: gantry's writer (diff/ in overlay's form, tar-split, CRC-64) beside GNU tar, which does
 * only the first of it. Every run has a new directory; all are removed at the end (DESIGN §4 on freed inodes).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { LayerWriter } from '../../src/layer/layer-writer.js';
import type { Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';
import { sampleLayer } from './sample.js';

const CHUNK = 256 << 10;

export async function applySuite(): Promise<Suite> {
  const { tar } = await sampleLayer();
  const crc = await createCrc64();
  const root = mkdtempSync(join(benchDir(), 'apply-'));
  const file = join(root, 'layer.tar');
  writeFileSync(file, tar);
  // A pool thread has umask 0: modes are the layer's.
  const umask = process.umask(0);
  let made = 0;
  const fresh = (): string => {
    const dir = join(root, `${made++}`);
    mkdirSync(join(dir, 'diff'), { recursive: true });
    return dir;
  };
  const group = 'apply';
  const bytes = tar.length;
  const gantry = async (): Promise<void> => {
    const writer = new LayerWriter(fresh(), crc);
    try {
      for (let at = 0; at < tar.length; at += CHUNK) writer.write(tar, at, Math.min(at + CHUNK, tar.length));
      await writer.finish();
    } finally {
      writer.close();
    }
  };
  const gnuTar = () => execFileSync('tar', ['-xpf', file, '--numeric-owner', '-C', join(fresh(), 'diff')]);
  return {
    cases: [
      { name: 'GNU tar', group, bytes, run: gnuTar },
      { name: 'gantry, with tar-split', group, bytes, run: gantry },
    ],
    close: () => {
      process.umask(umask);
      rmSync(root, { recursive: true, force: true });
    },
  };
}
