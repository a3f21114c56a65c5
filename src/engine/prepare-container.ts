/** All that comes before a container's start, whoever is to be its parent: its root mounted, its bundle written. */
import { GantryError } from '../core/errors.js';
import { readBeneath } from '../runtime/beneath.js';
import { bundle } from '../runtime/bundle.js';
import { bundleDirectory, freshBundle, writeBundle } from '../runtime/bundle-directory.js';
import { beginCgroupGrace } from '../runtime/cgroup-grace.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import type { ContainerStore } from '../runtime/container-store.js';
import type { HostConfig } from '../runtime/create-request.js';
import { findInit, hostFacts, runDirectory } from '../runtime/host-facts.js';
import { requireJournal } from '../runtime/journal-socket.js';
import { bindMount, tmpfsMounts } from '../runtime/mount-points.js';
import { lockNetworks } from '../runtime/network/endpoint.js';
import { writeNetworkFiles } from '../runtime/network-files.js';
import { networkMode } from '../runtime/network-mode.js';
import { chooseRuntime, type OciRuntime } from '../runtime/oci-runtime.js';
import { resolveUser } from '../runtime/user.js';
import { announceContainer, attachNetworks, networkFiles, openNetwork } from './container-network.js';
import { openNetworkOf } from './join-network.js';
import type { Store } from './store.js';

export interface PrepareOptions {
  /** Where the container names no runtime: GANTRY_RUNTIME. */
  readonly runtime?: string;
  /** PATH. */
  readonly searchPath?: string;
  readonly consoleSize?: { readonly rows: number; readonly columns: number };
  readonly onWarning?: (text: string) => void;
}

export interface PreparedContainer {
  readonly hostConfig: HostConfig;
  readonly runtime: OciRuntime;
  /** The bundle's directory. */
  readonly bundle: string;
  readonly rootfs: string;
  /** Where its command starts. */
  readonly cwd: string;
  /** To be called when the runtime has created it, or could not. */
  readonly created: () => void;
  /**
   * Settles when it is on its networks, which takes as long as the runtime's `create` and goes on beside it. To be awaited before the
   * start, and before anything is given back.
   */
  readonly networked: Promise<void>;
}

/** The caller holds the container's lock, and calls `releaseResources` when this or the start throws. */
export async function prepareContainer(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  options: PrepareOptions,
): Promise<PreparedContainer> {
  const { ID: id, Config: settings } = record;
  const hostConfig = records.hostConfig(id);
  const forced = hostConfig.Runtime ?? options.runtime;
  if (hostConfig.LogConfig?.Type === 'journald') requireJournal();
  const host = hostFacts();
  beginCgroupGrace(host.cgroups).end();
  const runtime = chooseRuntime({
    ...(forced === undefined ? {} : { forced }),
    ...(options.searchPath === undefined ? {} : { path: options.searchPath }),
    cgroups: host.cgroups,
    stateDirectory: runDirectory(store.root),
  });
  const layers = store.layers.db.mounts.get(id);
  if (layers === undefined) {
    throw new GantryError('ERR_STORE_CORRUPT', `container ${id} has no write layer`, {
      hint: `gantry rm ${id}`,
    });
  }
  const directory = bundleDirectory(store.root, id);
  freshBundle(directory);
  const mode = networkMode(hostConfig.NetworkMode);
  const joined = mode.kind === 'container' ? await openNetworkOf(store, mode.container) : undefined;
  if (joined === undefined) writeNetworkFiles(records.path(id), networkFiles(settings, hostConfig));
  const networkNamespace = joined?.path ?? (await openNetwork(id, hostConfig));
  const networked =
    mode.kind === 'networks' ? goOnNetworks(store, records, record, hostConfig) : Promise.resolve();
  networked.catch(() => {}); // told where it is awaited
  try {
    const rootfs = await store.driver.mount(layers.mountID, {
      volatile: hostConfig.AutoRemove || (hostConfig.Volatile ?? false),
    });
    const accounts = {
      passwd: readBeneath(rootfs, '/etc/passwd'),
      group: readBeneath(rootfs, '/etc/group'),
    };
    const { default: defaultSeccomp } = await import('../runtime/seccomp-default.json', {
      with: { type: 'json' },
    });
    const { spec, warnings } = bundle({
      id,
      rootfs,
      settings,
      hostConfig,
      user: resolveUser(settings.User ?? '', accounts, hostConfig.GroupAdd),
      mounts: [...Object.values(record.MountPoints).map(bindMount), ...tmpfsMounts(hostConfig)],
      networkFiles: {
        hostname: record.HostnamePath,
        hosts: record.HostsPath,
        'resolv.conf': record.ResolvConfPath,
      },
      defaultSeccomp,
      ...(networkNamespace === undefined ? {} : { networkNamespace }),
      ...(hostConfig.Init ? { init: findInit(options.searchPath) } : {}),
      ...(options.consoleSize === undefined ? {} : { consoleSize: options.consoleSize }),
      host,
    });
    for (const warning of warnings) options.onWarning?.(warning);
    writeBundle(directory, spec, runtime);
    const grace = beginCgroupGrace(host.cgroups);
    const created = (): void => {
      grace.end();
      joined?.close();
    };
    return { hostConfig, runtime, bundle: directory, rootfs, cwd: spec.process.cwd, created, networked };
  } catch (error) {
    joined?.close();
    await networked.catch(() => {}); // nothing comes to it any more
    throw error;
  }
}

/** Others that come to its networks write into its hosts file, as soon as they see it there (network/names.ts). */
async function goOnNetworks(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  hostConfig: HostConfig,
): Promise<void> {
  const attached = await attachNetworks(store, record, hostConfig);
  const held = await lockNetworks();
  try {
    writeNetworkFiles(records.path(record.ID), networkFiles(record.Config, hostConfig, attached));
  } finally {
    held.release();
  }
  await announceContainer(record.ID);
}
