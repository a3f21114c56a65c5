/**
 * `docker export`: the merged view of a container as one tar. Volumes are not in it, since the view is the overlay mount
 * and not the container's own root; the root itself has no entry.
 */
import { closeSync, openSync } from 'node:fs';
import { O } from '../core/fsops/at.js';
import { packTree } from '../core/tar/pack.js';
import { TAR_END } from '../core/tar/writer.js';
import { withStillContainer } from './still-container.js';
import type { Store } from './store.js';

/** Each view that `onBytes` gets is valid until its promise settles. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export const exportContainer = (
  store: Store,
  what: string,
  onBytes: (bytes: Buffer) => Promise<void> | void,
): Promise<void> =>
  withStillContainer(store, what, { pause: false }, async ({ record, mount }) => {
    const running = record.State.Running;
    const root = await store.driver.mount(mount.mountID, { readOnly: true }); // a running one's is there already
    let fd: number | undefined;
    try {
      fd = openSync(root, O.PATH | O.DIRECTORY | O.CLOEXEC);
      const tree = packTree(fd, '');
      tree.next();
      for (const bytes of tree) await onBytes(bytes);
      await onBytes(TAR_END);
    } finally {
      if (fd !== undefined) closeSync(fd);
      if (!running) await store.driver.unmount(mount.mountID);
    }
  });
