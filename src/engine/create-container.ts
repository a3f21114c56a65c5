/**
 * Makes a container of an image: its directory, write layer, volumes and, last, its record under its name. Until the
 * record is there no command sees it; a kill on the way leaves a directory without one, which `listContainers` sweeps.
 */
import { cpus, hostname } from 'node:os';
import { chainIDsOf, type ImageID } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { type ContainerID, newContainerID } from '../core/ids.js';
import type { Lock } from '../core/lock.js';
import type { ImageConfig } from '../core/oci/image-config.js';
import {
  type ContainerRecord,
  DOCKER_EMPTY,
  type MountPoint,
  plainName,
} from '../runtime/container-record.js';
import { CREATED } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { CreateRequest, HostConfig } from '../runtime/create-request.js';
import { checkLimits } from '../runtime/flags/resources.js';
import { checkSysctls } from '../runtime/flags/sysctl.js';
import { processArgs, withImageDefaults } from '../runtime/image-defaults.js';
import { logLimits } from '../runtime/log-config.js';
import { jsonLogPath } from '../runtime/log-paths.js';
import { mountPoint, prepareBind, wantedMounts } from '../runtime/mount-points.js';
import { checkContainerName, generateName } from '../runtime/names.js';
import { containerMode, networkMode } from '../runtime/network-mode.js';
import { readVolume } from '../runtime/volume-store.js';
import { ensureVolume, fillVolume, newVolumeName, removeVolume } from '../runtime/volumes.js';
import { reserveIDFile } from './container-id-file.js';
import { checkNetworks } from './container-network.js';
import { removeContainer } from './containers.js';
import { recordContainerEvent, recordVolumeEvent } from './events.js';
import { checkStatsFile } from './exit-stats.js';
import { inheritedMounts } from './inherited-mounts.js';
import { joinedContainer } from './join-network.js';
import type { Store } from './store.js';
import { lockVolumes } from './volumes.js';

export interface ContainerImage {
  readonly id: ImageID;
  readonly config: ImageConfig;
}

export interface CreatedContainer {
  readonly id: ContainerID;
  readonly name: string;
}

/** The caller holds its lock. */
export interface HeldContainer extends CreatedContainer {
  readonly record: ContainerRecord;
  readonly held: Lock;
}

/**
 * ERR_INVALID_ARGUMENT for a request that cannot be, ERR_CONFLICT for a name in use, ERR_NOT_FOUND for lost layers, and
 * what `warmContainer` throws for a request to warm.
 */
export async function createContainer(
  store: Store,
  image: ContainerImage,
  request: CreateRequest,
): Promise<CreatedContainer> {
  const { held, id, name } = await createHeld(store, image, request);
  held.release();
  const created = { id, name };
  if (request.warm === undefined) return created;
  const { warmContainer } = await import('./warm-container.js');
  try {
    const { failed } = await warmContainer(store, created.id, { patterns: request.warm });
    if (failed[0] === undefined) return created;
    throw new GantryError('ERR_SYSCALL', `${failed[0].path}: not copied up: ${failed[0].error}`);
  } catch (error) {
    await removeContainer(store, created.id, { volumes: true });
    throw error;
  }
}

/** The same for who goes on with it at once; nothing is warmed. */
export async function createHeld(
  store: Store,
  image: ContainerImage,
  request: CreateRequest,
): Promise<HeldContainer> {
  const joined = await joinedContainer(store, request.hostConfig);
  const hostConfig: HostConfig =
    joined === undefined
      ? request.hostConfig
      : { ...request.hostConfig, NetworkMode: containerMode(joined.ID) };
  const settings = withImageDefaults(request.config, image.config.config ?? {});
  const [path, ...args] = processArgs(settings);
  checkLimits(hostConfig, cpus().length);
  const Networks = checkNetworks(store, request);
  checkSysctls(hostConfig);
  const wanted = wantedMounts(settings, hostConfig, newVolumeName, await inheritedMounts(store, hostConfig));
  if (request.name !== undefined) checkContainerName(request.name);
  if (request.statsOnExit !== undefined) checkStatsFile(request.statsOnExit);

  const records = new ContainerStore(store.root);
  const id = newContainerID();
  const undo: (() => unknown)[] = [];
  const use = await store.lock('shared'); // nobody removes the image meanwhile
  const held = await store.lockNamed('containers', id);
  let volumesHeld: Lock | undefined;
  try {
    const idFile = reserveIDFile(hostConfig.ContainerIDFile);
    undo.push(idFile.abandon);
    undo.push(() => records.remove(id));
    records.makeDirectory(id);
    const top = chainIDsOf(image.config.rootfs.diff_ids ?? []).at(-1);
    const cacheID = top === undefined ? undefined : store.layers.chain(top)[0]!.cacheID;
    const points: Record<string, MountPoint> = {};
    // Until the record names them, nothing else keeps `volume rm` away.
    if (wanted.some((mount) => mount.Type === 'volume')) volumesHeld = await lockVolumes(store, 'shared');
    const provide = (rootfs: string): void => {
      for (const mount of wanted) {
        if (mount.Type === 'bind') prepareBind(mount);
        points[mount.Destination] = mountPoint(mount, mount.Source);
        if (mount.Type !== 'volume') continue;
        const fresh = readVolume(store.root, mount.Name!) === undefined;
        const volume = ensureVolume(store.root, mount.Name!);
        if (fresh) recordVolumeEvent(store, 'create', mount.Name!);
        if (!mount.Spec.Source) undo.push(() => removeVolume(store.root, mount.Name!));
        if (mount.copyImage) fillVolume(volume, rootfs, mount.Destination);
        points[mount.Destination] = mountPoint(mount, volume.path);
      }
    };
    const layers = await store.driver.createContainer(id, cacheID, provide);
    undo.push(() => store.driver.removeContainer(layers));
    store.layers.db.mounts.set(id, { ...layers, ...(top === undefined ? {} : { parent: top }) });
    undo.push(() => store.layers.db.mounts.remove(id));

    const shared = networkMode(hostConfig.NetworkMode).kind === 'host' || hostConfig.UTSMode === 'host';
    const ownName = settings.Hostname || (shared ? hostname() : id.slice(0, 12));
    const { Config, HostnamePath, HostsPath, ResolvConfPath } = joined ?? {
      Config: { ...settings, Hostname: ownName },
      HostnamePath: records.path(id, 'hostname'),
      HostsPath: records.path(id, 'hosts'),
      ResolvConfPath: records.path(id, 'resolv.conf'),
    };
    const { Hostname = '', Domainname = '' } = Config;
    const sync = !hostConfig.AutoRemove;
    records.putHostConfig(id, hostConfig, { sync });
    const unnamed: ContainerRecord = {
      ID: id,
      Created: new Date().toISOString(),
      Path: path,
      Args: args,
      State: CREATED,
      Config: { ...settings, Hostname, Domainname },
      Image: image.id,
      Name: '',
      Driver: store.driver.name,
      OS: image.config.os || 'linux',
      RestartCount: 0,
      ...(request.statsOnExit === undefined ? {} : { StatsOnExit: request.statsOnExit }),
      MountPoints: points,
      NetworkSettings: { ...DOCKER_EMPTY.NetworkSettings, Networks },
      LogPath: logLimits(hostConfig.LogConfig) === undefined ? '' : jsonLogPath(records.path(id)),
      HostnamePath,
      HostsPath,
      ResolvConfPath,
    };
    const record = await enter(store, records, unnamed, { asked: request.name, sync });
    idFile.write(id);
    store.images.setLastUsed(image.id, new Date());
    recordContainerEvent(store, record, 'create');
    return { id, name: plainName(record), record, held };
  } catch (error) {
    try {
      for (const step of undo.reverse()) await step();
    } finally {
      held.release();
    }
    throw error;
  } finally {
    volumesHeld?.release();
    use.release();
  }
}

/** Writes the record under a name that no other has, and gives it. One at a time does so, so a name is never given twice. */
export async function enter(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  { asked, sync }: { readonly asked: string | undefined; readonly sync: boolean },
): Promise<ContainerRecord> {
  const names = await store.lockNamed('containers', 'names');
  try {
    const ownerOf = (name: string) =>
      records.list((text) => text.includes(`/${name}"`)).find((other) => plainName(other) === name)?.ID;
    let name = asked === undefined ? generateName() : checkContainerName(asked);
    let owner = ownerOf(name);
    for (let attempt = 1; asked === undefined && owner !== undefined; attempt++) {
      name = generateName(attempt);
      owner = ownerOf(name);
    }
    if (owner !== undefined) {
      throw new GantryError(
        'ERR_CONFLICT',
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
        { container: owner },
      );
    }
    const named = { ...record, Name: `/${name}` };
    records.put(named, { sync });
    return named;
  } finally {
    names.release();
  }
}
