import { expect, it } from 'vitest';
import { digestOf, parseDiffID } from '../../src/core/digest/digest.js';
import { targetOf } from '../../src/engine/pull-target.js';
import type { ResolvedImage } from '../../src/registry/client.js';
import { parseReference } from '../../src/registry/reference.js';

const imageOf = (...diff_ids: string[]): ResolvedImage =>
  ({
    imageConfig: {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { diff_ids: diff_ids.map((id) => parseDiffID(id)) },
    },
    manifest: {
      layers: diff_ids.map((_, n) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: digestOf(`blob ${n}`),
        size: 1,
      })),
    },
  }) as unknown as ResolvedImage;

it('pairs blobs and diffIDs, and refuses a diffID that layerdb could not list', () => {
  const target = targetOf(parseReference('redis'), imageOf(digestOf('a'), digestOf('b')));
  expect(target.layers.map(({ digest, diffID }) => [digest, diffID])).toEqual([
    [digestOf('blob 0'), digestOf('a')],
    [digestOf('blob 1'), digestOf('b')],
  ]);
  expect(target.layers[1]?.parent).toBe(target.layers[0]?.chainID);
  expect(() => targetOf(parseReference('redis'), imageOf(digestOf('a', 'sha512')))).toThrow(
    /redis:latest: expected diffIDs by sha256, found sha512:/,
  );
});
