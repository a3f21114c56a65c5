/** Real layer bytes for the suites: the tools layer of the redis image, compressed and as a tar. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ensureImage } from '../images/build.js';

export interface SampleLayer {
  readonly gzip: Buffer;
  readonly tar: Buffer;
}

export async function sampleLayer(): Promise<SampleLayer> {
  const image = await ensureImage('redis', (line) => console.error(line));
  const layer = image.layers[1]!;
  const gzip = readFileSync(join(image.dir, 'blobs', layer.digest.replace(':', '/')));
  return { gzip, tar: gunzipSync(gzip) };
}
