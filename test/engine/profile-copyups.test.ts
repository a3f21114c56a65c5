import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CopyUpProfile } from '../../src/copyup/profile.js';
import { parseCacheID } from '../../src/core/ids.js';
import { findContainer, removeContainer } from '../../src/engine/containers.js';
import { readProfile } from '../../src/engine/copyup-report.js';
import type { ContainerImage } from '../../src/engine/create-container.js';
import { profileContainer, profileRun } from '../../src/engine/profile-copyups.js';
import { profilePath, pruneProfiles } from '../../src/engine/profile-files.js';
import { runContainer } from '../../src/engine/run.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { whyNoTracing } from '../copyup/overlay.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const why = whyNoTracing() ?? whyNoContainers('crun');
const context = { env: {}, cwd: '/', cpuCount: 1, readFile: (path: string) => readFileSync(path, 'utf8') };
/** One of the image's files, with one byte more. */
const COPY = 'echo >>/etc/passwd';

describe.skipIf(why !== undefined)(`profiles of containers${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  let image: ContainerImage;
  beforeAll(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    image = await busyboxImage(store);
  });
  afterAll(() => {
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const request = (script: string, flags: RunFlags = {}) =>
    createRequest(flags, 'busybox', ['sh', '-c', script], context);
  const streams = () => ({
    stdin: Readable.from(['']),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    signalProxy: false,
  });
  async function until(met: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await met())) await sleep(20);
  }
  const passwd = ({ files }: CopyUpProfile) => files.find(({ path }) => path === '/etc/passwd');

  it('of a run: from before its first process to after its last, kept after --rm', async () => {
    const { profile, path, exitCode } = await profileRun(
      store,
      image,
      request(`${COPY}; echo hi >/new; exit 3`, { rm: true }),
      { ...streams(), trace: true },
    );
    expect(exitCode).toBe(3);
    const size = passwd(profile)!.bytes;
    expect(passwd(profile)).toMatchObject({ kind: 'file', cause: 'open', command: 'sh', layer: 1 });
    expect(size).toBeGreaterThan(0);
    expect(passwd(profile)!.changed!.block4k).toBeLessThanOrEqual(size + 1);
    expect(profile).toMatchObject({ source: 'trace', exitCode: 3, lost: 0, container: { image: 'busybox' } });
    expect(profile.layers).toHaveLength(2);
    expect(profile.layers[1]!.chainID).toMatch(/^sha256:/);
    expect(profile.created.map((file) => file.path)).toEqual(['/new']);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(profile);
    await expect(findContainer(store, profile.container.id)).rejects.toThrow(/No such container/);
    expect(pruneProfiles(store.root, new Set([profile.container.id]))).toEqual([]);
    expect(pruneProfiles(store.root, new Set())).toEqual([profile.container.id]);
    expect(existsSync(path)).toBe(false);
  });

  it('of a run that is stopped after a while', async () => {
    const { profile, exitCode } = await profileRun(
      store,
      image,
      request(`trap 'exit 9' TERM; ${COPY}; while :; do sleep 0.05; done`),
      { ...streams(), trace: true, duration: 700 },
    );
    expect(exitCode).toBe(9);
    expect(profile.durationMs).toBeGreaterThanOrEqual(690);
    expect(passwd(profile)).toBeDefined();
    await removeContainer(store, profile.container.id);
  });

  it('without tracing: what was copied, and no more', async () => {
    const { profile } = await profileRun(store, image, request(COPY), { ...streams(), trace: false });
    expect(profile.source).toBe('upper');
    expect(profile.durationMs).toBeUndefined();
    expect(passwd(profile)).toMatchObject({ cause: 'unknown', layer: 1 });
    expect(passwd(profile)!.pid).toBeUndefined();
    const again = await profileContainer(store, profile.container.id, { trace: true });
    expect(again.profile.files).toEqual(profile.files);
    await removeContainer(store, profile.container.id);
  });

  it('for a report, where none was made: from the upper directory as it is now, not saved', async () => {
    await runContainer(store, image, request(COPY, { name: 'written' }), streams());
    const profile = await readProfile(store.root, 'written');
    expect(profile).toMatchObject({ source: 'upper', container: { name: 'written' } });
    expect(passwd(profile)!.bytes).toBeGreaterThan(0);
    expect(existsSync(profilePath(store.root, profile.container.id))).toBe(false);
    await expect(readProfile(store.root, 'nobody')).rejects.toThrow('No such container: nobody');
  });

  it('of a running container, which is removed meanwhile: no hang, and no copy is lost', async () => {
    const io = streams();
    let id = '';
    const running = runContainer(
      store,
      image,
      // Not as its last command, which the shell would become: under load its name is read after that.
      request(`while [ ! -e /go ]; do sleep 0.02; done; ${COPY}; sleep 60; :`),
      {
        ...io,
        onCreated: (container) => {
          id = container.id;
        },
      },
    );
    await until(async () => id !== '' && (await findContainer(store, id)).State.Running);
    const { MergedDir, UpperDir } = store.driver.data(parseCacheID(id));
    const { profile } = await profileContainer(store, id, {
      trace: true,
      onTracing: async () => {
        writeFileSync(join(MergedDir, 'go'), '');
        await until(() => existsSync(join(UpperDir, 'etc/passwd')));
        await removeContainer(store, id, { force: true });
      },
    });
    expect(await running).toBe(137);
    expect(passwd(profile)).toMatchObject({ command: 'sh', bytes: expect.any(Number) });
    expect(existsSync(profilePath(store.root, id))).toBe(true);
  });
});
