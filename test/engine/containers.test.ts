import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newContainerID } from '../../src/core/ids.js';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { inspectContainer } from '../../src/engine/inspect-container.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { plainName } from '../../src/runtime/container-record.js';
import { transition } from '../../src/runtime/container-state.js';
import { ContainerStore } from '../../src/runtime/container-store.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { identify } from '../../src/runtime/process-identity.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { runCli } from '../helpers/cli-run.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const why = whyNoContainers();
describe.skipIf(why !== undefined)(`containers of a store${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  beforeEach(() => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
  });
  afterEach(() => {
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const create = async (flags: RunFlags = {}) => {
    const context = { env: {}, cwd: '/', cpuCount: 1, readFile: () => '' };
    return createContainer(
      store,
      await busyboxImage(store),
      createRequest(flags, 'busybox', ['true'], context),
    );
  };
  /** Writes that it runs, as a process that was killed left it. */
  const pretend = (id: Awaited<ReturnType<typeof create>>['id'], bootID = store.bootID) => {
    const records = new ContainerStore(store.root);
    const record = records.get(id)!;
    const gone = { Pid: 4_000_000, StartTicks: 1, BootID: bootID };
    records.put(
      {
        ...record,
        State: transition(record.State, { to: 'start', at: 'now', process: gone, supervisor: gone }),
      },
      { sync: false },
    );
    return record;
  };

  it("has Docker's files and modes", async () => {
    const { id } = await create({ hostname: 'box' });
    const path = join(store.root, 'containers', id);
    expect(readdirSync(path).sort()).toEqual(['config.v2.json', 'hostconfig.json', 'mounts']);
    const mode = (name: string) => (statSync(join(path, name)).mode & 0o777).toString(8);
    expect(['.', 'config.v2.json', 'hostconfig.json'].map(mode)).toEqual(['710', '600', '600']);
    expect(readdirSync(join(store.root, 'image/overlay2/layerdb/mounts', id)).sort()).toEqual([
      'init-id',
      'mount-id',
      'parent',
    ]);
  });

  it('generates names, finds by name, id and unique prefix, and tells what is not there', async () => {
    const first = await create();
    const second = await create({ name: 'redis' });
    expect(first.name).toMatch(/^[a-z]+_[a-z]+$/);
    expect((await findContainer(store, 'redis')).ID).toBe(second.id);
    expect((await findContainer(store, '/redis')).ID).toBe(second.id);
    expect((await findContainer(store, first.id.slice(0, 12))).ID).toBe(first.id);
    await expect(findContainer(store, 'nope')).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      message: 'No such container: nope',
    });
    await expect(findContainer(store, '')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect((await listContainers(store)).map(plainName)).toEqual(['redis', first.name]);
  });

  it('gives one name once, however many ask at the same time', async () => {
    await busyboxImage(store);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => create({ name: 'one' })));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    const refused = results.find((result) => result.status === 'rejected');
    const { ID } = await findContainer(store, 'one');
    expect(refused?.reason.message).toContain(
      `The container name "/one" is already in use by container "${ID}"`,
    );
    expect(readdirSync(join(store.root, 'containers'))).toEqual([ID]);
    expect(store.layers.db.mounts.list()).toEqual([ID]);
  });

  it('settles a container whose processes are gone: 137 in this boot, 255 in another', async () => {
    const killed = await create({ name: 'killed' });
    const lost = await create({ name: 'lost' });
    const temporary = await create({ name: 'temporary', rm: true });
    pretend(killed.id);
    pretend(lost.id, 'another boot');
    pretend(temporary.id);
    await listContainers(store);
    expect((await findContainer(store, 'killed')).State).toMatchObject({ Running: false, ExitCode: 137 });
    expect((await findContainer(store, 'lost')).State).toMatchObject({
      ExitCode: 255,
      Error: expect.stringContaining('restarted'),
    });
    await expect(findContainer(store, 'temporary')).rejects.toThrow('No such container');
  });

  it('leaves one alone whose supervisor lives', async () => {
    const { id } = await create();
    const records = new ContainerStore(store.root);
    const record = pretend(id);
    const gone = { Pid: 4_000_000, StartTicks: 1, BootID: store.bootID };
    const State = transition(record.State, {
      to: 'start',
      at: 'now',
      process: gone,
      supervisor: identify(process.pid)!,
    });
    records.put({ ...record, State }, { sync: false });
    expect((await findContainer(store, id)).State.Running).toBe(true);
  });

  it('sweeps a creation that was killed', async () => {
    const id = newContainerID();
    mkdirSync(join(store.root, 'containers', id), { recursive: true });
    expect(await listContainers(store)).toEqual([]);
    expect(existsSync(join(store.root, 'containers', id))).toBe(false);
  });

  it('removes everything, and anonymous volumes when asked', async () => {
    const kept = await create({ volume: ['/data'] });
    await removeContainer(store, kept.id);
    expect(readdirSync(join(store.root, 'volumes'))).toHaveLength(1);
    const gone = await create({ volume: ['/data'] });
    await removeContainer(store, gone.id, { volumes: true });
    expect(readdirSync(join(store.root, 'volumes'))).toHaveLength(1);
    expect(readdirSync(join(store.root, 'containers'))).toEqual([]);
    expect(store.layers.db.mounts.list()).toEqual([]);
  });

  it('leaves nothing of a creation that failed', async () => {
    await expect(
      create({ mount: ['type=bind,src=/does/not/exist,dst=/x'], volume: ['/data'] }),
    ).rejects.toThrow('bind source path does not exist');
    await expect(create({ tmpfs: ['/x'], volume: ['named:/x'] })).rejects.toThrow(
      'Duplicate mount point: /x',
    );
    expect(readdirSync(join(store.root, 'containers'))).toEqual([]);
    expect(store.layers.db.mounts.list()).toEqual([]);
  });

  it('shows what docker inspect shows', async () => {
    const { id, name } = await create({ memory: '500M', label: ['a=b'], volume: ['data:/data:ro'] });
    expect(await inspectContainer(store, name)).toMatchObject({
      Id: id,
      Name: `/${name}`,
      Path: 'true',
      Args: [],
      State: { Status: 'created', Running: false, Pid: 0, ExitCode: 0, FinishedAt: '0001-01-01T00:00:00Z' },
      HostConfig: { Memory: 524288000, NetworkMode: 'none', AutoRemove: false },
      GraphDriver: { Name: 'overlay2', Data: { UpperDir: expect.stringContaining(store.root) } },
      Mounts: [{ Type: 'volume', Name: 'data', Destination: '/data', RW: false }],
      Config: { Image: 'busybox', Cmd: ['true'], Labels: { a: 'b' }, Hostname: id.slice(0, 12) },
    });
  });

  it('container prune takes stopped containers and no image', async () => {
    const { id } = await create();
    const pruned = await runCli(store.root, 'container', 'prune', '-f');
    expect(pruned).toMatchObject({ code: 0, err: '' });
    expect(pruned.out).toMatch(
      new RegExp(`^Deleted Containers:\\n${id}\\n\\nTotal reclaimed space: \\d\\S*B\\n$`),
    );
    expect(await listContainers(store)).toEqual([]);
    expect(store.images.list()).toHaveLength(1);
    expect((await runCli(store.root, 'container', 'prune', '-f')).out).toBe('Total reclaimed space: 0B\n');
  });
});
