/** A real dockerd on a root with gantry's containers: what it makes of them, and what gantry finds afterwards. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { listContainers } from '../../src/engine/containers.js';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { isAlive } from '../../src/runtime/process-identity.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { dockerdPresent, withDockerd } from '../helpers/dockerd.js';
import { gantry as call } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why =
  whyNoContainers() ??
  (findExecutable('conmon') === undefined ? 'needs conmon' : undefined) ??
  (dockerdPresent ? undefined : 'needs dockerd');

describe.skipIf(why !== undefined)(`dockerd on gantry's containers${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let root: string;
  const gantry = (...args: string[]) => call(root, ...args);
  beforeAll(async () => {
    directory = temporaryDirectory();
    root = join(directory.path, 'root');
    const store = openStore(root);
    const { id: imageID } = await busyboxImage(store);
    await store.tags.update({ set: [{ reference: 'busybox:latest', imageID }] });
  });
  afterEach(async () => {
    for (const { ID } of await listContainers(openStore(root))) await gantry('rm', '-f', ID);
  });
  afterAll(() => {
    rmSync(runDirectory(root), { recursive: true, force: true });
    directory.remove();
  });

  const script = 'echo out; echo err >&2; echo x >> /written; cat /data/seed; wc -l < /written; exit 3';
  const run = (count: number) => `out\nfrom the image\n${count}`;

  it('lists, logs, inspects, starts, commits and renames one that has ended; gantry goes on with it', async () => {
    const limits = ['--network', 'none', '-m', '64m', '-e', 'A=b', '-l', 'tier=fast', '-v', 'kept:/kept'];
    const id = (
      await gantry('run', '-d', ...limits, '--name', 'ended', 'busybox', 'sh', '-c', script)
    ).out.trim();
    await gantry('wait', 'ended');
    await gantry('create', '--name', 'fresh', '--network', 'none', 'busybox', 'true');
    const { out } = await gantry('inspect', 'ended');
    const [ours] = JSON.parse(out, times) as [Record<string, Record<string, unknown>>];
    await withDockerd({ directory: directory.path, root }, (docker) => {
      const list = docker('ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Image}} {{.Names}} {{.Status}}');
      expect(list).toMatch(
        new RegExp(`^\\w{64} busybox fresh Created\\n${id} busybox ended Exited \\(3\\) `),
      );
      expect(docker('logs', 'ended')).toBe(run(1));
      expect(docker('logs', '-t', 'ended')).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z 1$/m);
      const [theirs] = JSON.parse(docker('inspect', 'ended'), times);
      for (const field of [
        'Id',
        'Created',
        'Path',
        'Args',
        'Image',
        'Name',
        'LogPath',
        'Mounts',
        'GraphDriver',
      ]) {
        expect({ [field]: theirs[field] }).toEqual({ [field]: ours[field] });
      }
      expect(ours.State).toMatchObject(theirs.State);
      expect(theirs.Config).toMatchObject({ Env: expect.arrayContaining(['A=b']), Labels: { tier: 'fast' } });
      expect(theirs.HostConfig).toMatchObject({ Memory: 64 << 20, NetworkMode: 'none', ShmSize: 64 << 20 });

      expect(exitOf(() => docker('start', '-a', 'ended'))).toEqual({ code: 3, out: `${run(2)}\n` });
      expect(docker('start', '-a', 'fresh')).toBe('');
      expect(docker('logs', 'ended')).toBe(`${run(1)}\n${run(2)}`);
      expect(docker('diff', 'ended')).toContain('A /written');
      expect(docker('commit', 'ended', 'made:1')).toMatch(/^sha256:\w{64}$/);
      docker('rename', 'ended', 'renamed');
      expect(docker('rm', 'fresh')).toBe('fresh');
      expect(docker('volume', 'ls', '-q')).toBe('kept');
    });
    expect((await gantry('ps', '-a', '--format', '{{.Names}} {{.Status}}')).out).toMatch(
      /^renamed Exited \(3\) .*\n$/,
    );
    expect(await gantry('start', '-a', 'renamed')).toEqual({ code: 3, out: `${run(3)}\n`, err: 'err\n' });
    expect((await gantry('logs', 'renamed')).out).toBe(`${run(1)}\n${run(2)}\n${run(3)}\n`);
    expect((await gantry('rm', 'renamed')).code).toBe(0);
  }, 120_000);

  it('takes one that runs for ended; gantry then ends it, and nothing is left', async () => {
    const id = (
      await gantry('run', '-d', '--network', 'none', '--name', 'alive', 'busybox', 'sleep', '600')
    ).out.trim();
    const [before] = await listContainers(openStore(root));
    await withDockerd({ directory: directory.path, root }, (docker) => {
      expect(docker('ps', '-a', '--format', '{{.Names}} {{.State}}')).toBe('alive exited');
    });
    expect(isAlive(before!.State.Process!)).toBe(true);
    expect((await gantry('ps', '-a', '--format', '{{.Names}} {{.Status}}')).out).toMatch(/^alive Exited/);
    expect(isAlive(before!.State.Process!)).toBe(false);
    expect((await gantry('rm', id)).code).toBe(0);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(root);
  }, 120_000);
});

/** Go leaves out the zeros at a time's end. */
const times = (key: string, value: unknown) =>
  key === 'Created' || key.endsWith('At') ? Date.parse(String(value)) : value;

function exitOf(act: () => unknown): { readonly code: number | null; readonly out: string } {
  try {
    act();
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    return { code: status, out: stdout };
  }
  throw new Error('it did not fail');
}
