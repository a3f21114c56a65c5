/**
 * `--network container:<name|id>`: a container in the network namespace of another. Whose it is settled when the container is
 * made, and with that its hostname, hosts and name servers: they are the other's files. The namespace is taken anew at each start.
 */
import { closeSync, openSync } from 'node:fs';
import { errnoCode, GantryError, isGantryError } from '../core/errors.js';
import { type ContainerID, parseContainerID } from '../core/ids.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { HostConfig } from '../runtime/create-request.js';
import { markJoined } from '../runtime/network/endpoint.js';
import { networkMode } from '../runtime/network-mode.js';
import { isAlive } from '../runtime/process-identity.js';
import { findContainer } from './containers.js';
import type { Store } from './store.js';

/** The other, for a container that is to be made; undefined for one with a network of its own. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export async function joinedContainer(
  store: Store,
  { NetworkMode }: HostConfig,
): Promise<ContainerRecord | undefined> {
  const mode = networkMode(NetworkMode);
  return mode.kind === 'container' ? findContainer(store, mode.container) : undefined;
}

export interface JoinedNetwork {
  /** Of the namespace, good for every process until `close`: a descriptor of ours. */
  readonly path: string;
  close(): void;
}

/**
 * The network of the container that `what` names, which must be running. No lock of it is held: our descriptor keeps the very
 * namespace that it had, whether it ends or starts again meanwhile. ERR_NOT_FOUND, ERR_CONFLICT in docker's words.
 */
export async function openNetworkOf(store: Store, what: string): Promise<JoinedNetwork> {
  const { ID, State } = await findContainer(store, what).catch((error: unknown) => {
    if (!isGantryError(error, 'ERR_NOT_FOUND')) throw error;
    throw new GantryError('ERR_NOT_FOUND', `joining network namespace of container: ${error.message}`);
  });
  markJoined(ownerOf(new ContainerStore(store.root), ID)); // before we see that it lives: its end comes later, and heeds that
  const fd = State.Running ? openNamespace(State) : undefined;
  if (fd === undefined) {
    throw new GantryError('ERR_CONFLICT', `cannot join network of a non running container: ${ID}`, {
      hint: `gantry start ${ID.slice(0, 12)}`,
    });
  }
  return { path: `/proc/${process.pid}/fd/${fd}`, close: () => closeSync(fd) };
}

/** Whose end takes down what is in the namespace: one that has joined another is passed over. */
function ownerOf(records: ContainerStore, id: ContainerID): ContainerID {
  const mode = networkMode(records.hostConfig(id).NetworkMode);
  return mode.kind === 'container' ? ownerOf(records, parseContainerID(mode.container)) : id;
}

/** Undefined when the process has ended meanwhile. */
function openNamespace({ Process }: ContainerRecord['State']): number | undefined {
  try {
    const fd = openSync(`/proc/${Process?.Pid}/ns/net`, 'r');
    // Looked at afterwards: the pid is still its own, so the namespace was.
    if (Process !== undefined && isAlive(Process)) return fd;
    closeSync(fd);
    return undefined;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
