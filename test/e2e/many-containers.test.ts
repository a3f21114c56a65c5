/** Twenty detached containers at once, and gone again: no mount, cgroup, process, bundle or descriptor is left. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { startDetached } from '../../src/engine/start-detached.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { isAlive } from '../../src/runtime/process-identity.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { GANTRY, gantry } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const COUNT = 20;
const context = { env: {}, cwd: '/', cpuCount: 1, readFile: () => '' };
const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);

describe.skipIf(why !== undefined)(`${COUNT} containers${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  beforeAll(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    await busyboxImage(store);
  });
  afterAll(async () => {
    for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const mounts = () =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(store.root)).length;
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const processesOf = (ids: readonly string[]) =>
    readdirSync('/proc').filter((pid) => {
      try {
        const command = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
        return ids.some((id) => command.includes(id));
      } catch {
        return false;
      }
    }).length;
  const cgroupsOf = (ids: readonly string[]) =>
    execFileSync('find', ['/sys/fs/cgroup', '-type', 'd', '-path', '*gantry/*'], { encoding: 'utf8' })
      .split('\n')
      .filter((path) => ids.some((id) => path.includes(id))).length;

  it('run at once under a shim each, and rm -f of all leaves nothing', { timeout: 120_000 }, async () => {
    const options = { gantry: [process.execPath, GANTRY] as const, searchPath: process.env.PATH ?? '' };
    const image = await busyboxImage(store);
    const request = createRequest(
      { detach: true, network: 'none', restart: 'always' },
      'busybox',
      ['sleep', '600'],
      context,
    );
    const start = async () =>
      startDetached(store, (await createContainer(store, image, request)).id, options);
    await removeContainer(store, await start(), { force: true }); // what is opened once stays open
    const before = descriptors();
    const ids = await Promise.all(Array.from({ length: COUNT }, start));
    const records = await listContainers(store);
    expect(records.filter(({ State }) => State.Running && isAlive(State.Process!))).toHaveLength(COUNT);
    expect(new Set(records.map(({ State }) => State.Supervisor!.Pid)).size).toBe(COUNT);
    expect(mounts()).toBe(COUNT);
    expect(cgroupsOf(ids)).toBeGreaterThanOrEqual(COUNT);
    await expect.poll(descriptors).toBeLessThanOrEqual(before);
    const { code, out, err } = await gantry(store.root, 'rm', '-f', ...ids);
    expect({ code, out, err }).toEqual({ code: 0, out: `${ids.join('\n')}\n`, err: '' });
    for (let waited = 0; processesOf(ids) > 0 && waited < 100; waited++) await sleep(100);
    expect(processesOf(ids)).toBe(0);
    expect(cgroupsOf(ids)).toBe(0);
    await expect.poll(descriptors).toBeLessThanOrEqual(before);
    expect(mounts()).toBe(0);
    expect(readdirSync(join(store.root, 'containers'))).toEqual([]);
    expect(readdirSync(join(store.root, 'image/overlay2/layerdb/mounts'))).toEqual([]);
    expect(readdirSync(join(runDirectory(store.root), 'bundles'))).toEqual([]);
    const overlays = readdirSync(join(store.root, 'overlay2')).filter((name) => name !== 'l');
    expect(overlays).toHaveLength(1); // the image's
    expect(readdirSync(join(store.root, 'overlay2/l'))).toHaveLength(1);
  });
});
