/** `docker history`: how an image was made, newest step first. */
import { chainIDsOf, type ImageID } from '../core/digest/digest.js';
import { resolveImage } from './image-index.js';
import type { Store } from './store.js';

export interface HistoryEntry {
  /** Only images that were built or committed here know the ids of their steps. */
  readonly id: ImageID | '<missing>';
  readonly created?: string;
  readonly createdBy: string;
  /** Bytes of the step's layer; 0 for a step without one. */
  readonly size: number;
  readonly comment: string;
}

/** Throws ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_STORE_CORRUPT. */
export function imageHistory(store: Store, text: string): HistoryEntry[] {
  const image = store.images.get(resolveImage(store, text))!;
  const layers = chainIDsOf(image.config.rootfs.diff_ids ?? []).map(
    (id) => store.layers.db.get(id)?.size ?? 0,
  );
  let layer = 0;
  const steps = (image.config.history ?? []).map((step) => ({
    ...(step.created ? { created: step.created } : {}),
    createdBy: step.created_by ?? '',
    comment: step.comment ?? '',
    size: step.empty_layer === true ? 0 : (layers[layer++] ?? 0),
  }));
  let id: ImageID | undefined = image.id;
  return steps.reverse().map((step) => {
    const entry: HistoryEntry = { id: id ?? '<missing>', ...step };
    id = id === undefined ? undefined : store.images.get(id)?.parent;
    return entry;
  });
}
