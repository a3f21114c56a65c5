/** `--volumes-from`: what other containers have mounted, seen under the same paths. */
import type { MountPoint } from '../runtime/container-record.js';
import type { HostConfig } from '../runtime/create-request.js';
import { parseVolumesFrom } from '../runtime/flags/volume.js';
import { findContainer } from './containers.js';
import type { Store } from './store.js';

/** ERR_NOT_FOUND, ERR_AMBIGUOUS; ERR_INVALID_ARGUMENT for a text that cannot be read. */
export async function inheritedMounts(store: Store, { VolumesFrom }: HostConfig): Promise<MountPoint[]> {
  const mounts: MountPoint[] = [];
  for (const spec of VolumesFrom ?? []) {
    const { container, readOnly } = parseVolumesFrom(spec);
    const { MountPoints } = await findContainer(store, container);
    mounts.push(...Object.values(MountPoints).map((point) => ({ ...point, RW: point.RW && !readOnly })));
  }
  return mounts;
}
