/** The tar reader alone, over a real layer in chunks of several sizes: what parsing costs beside hashing. */
import { TarReader } from '../../src/core/tar/reader.js';
import type { Suite } from '../harness/suite.js';
import { sampleLayer } from './sample.js';

export async function tarSuite(): Promise<Suite> {
  const { tar } = await sampleLayer();
  const handler = { entry: () => {}, data: () => {}, end: () => {}, raw: () => {} };
  const cases = [4 << 10, 64 << 10, 256 << 10, 1 << 20].map((chunk) => ({
    name: `tar read, chunks of ${chunk >> 10} KiB`,
    group: 'tar',
    bytes: tar.length,
    run: () => {
      const reader = new TarReader(handler);
      for (let at = 0; at < tar.length; at += chunk) reader.write(tar, at, Math.min(at + chunk, tar.length));
      reader.finish();
    },
  }));
  return { cases };
}
