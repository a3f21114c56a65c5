/** Images for tests of what lists and removes them: small layers, a config over them, names. */
import type { ImageID } from '../../src/core/digest/digest.js';
import type { Layer } from '../../src/engine/layer-store.js';
import type { Store } from '../../src/engine/store.js';
import { commitFiles, type Files } from './layer-fixture.js';

export interface ImageOptions {
  /** Of each layer, base first. */
  readonly layers: readonly Files[];
  /** Familiar references. */
  readonly names?: readonly string[];
  readonly created?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly parent?: ImageID;
}

export async function putImage(store: Store, options: ImageOptions): Promise<ImageID> {
  const stack: Layer[] = [];
  for (const files of options.layers) stack.push(await commitFiles(store, files, stack.at(-1)));
  const created = options.created ?? '2024-05-01T10:00:00.123456789Z';
  const id = store.images.put(
    Buffer.from(
      JSON.stringify({
        created,
        author: 'somebody',
        architecture: 'amd64',
        os: 'linux',
        config: options.config ?? {},
        rootfs: { type: 'layers', diff_ids: stack.map((layer) => layer.diffID) },
        history: [
          ...stack.map((_, at) => ({
            created,
            created_by: `COPY layer ${at} /`,
            comment: 'made for a test',
          })),
          { created, created_by: 'CMD ["redis-server"]', empty_layer: true },
        ],
      }),
    ),
  );
  if (options.parent !== undefined) store.images.setParent(id, options.parent);
  await store.tags.update({ set: (options.names ?? []).map((reference) => ({ reference, imageID: id })) });
  return id;
}
