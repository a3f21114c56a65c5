import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROFILE_SCHEMA } from '../../src/copyup/profile.js';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { runCli } from '../helpers/cli-run.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers();
describe.skipIf(why !== undefined)(`copyup warm${why ? ` (skipped: ${why})` : ''}`, () => {
  const dir = temporaryDirectory();
  const root = join(dir.path, 'root');
  const gantry = (...args: string[]) => runCli(root, ...args);
  let image: string;
  beforeAll(async () => {
    image = (await busyboxImage(openStore(root))).id;
  });
  afterAll(() => {
    rmSync(runDirectory(root), { recursive: true, force: true });
    dir.remove();
  });

  it('tells what was copied, and on the second call that it was there', async () => {
    const { out } = await gantry('create', '--name', 'box', image, 'true');
    expect(out).toMatch(/^[0-9a-f]{64}\n$/);
    const first = await gantry('copyup', 'warm', '-j', '3', 'box', '/data', '/etc/*');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^\d files, \d+B copied up in \d+ ms\n$/);
    const lists = (path: string) =>
      JSON.stringify({
        schema: PROFILE_SCHEMA,
        source: 'upper',
        container: { id: 'x', name: 'x', image: 'x', imageID: 'x' },
        startedAt: '2026-11-22T00:00:00Z',
        lost: 0,
        layers: [],
        files: [{ path, kind: 'file', cause: 'open', bytes: 1 }],
        created: [],
      });
    const profile = join(dir.path, 'profile.json');
    writeFileSync(profile, lists('/bin/busybox'));
    const listed = await gantry('copyup', 'warm', '--from', profile, 'box');
    expect(listed).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^1 files, /) });
    const again = await gantry('copyup', 'warm', '--format', '{{.present}} {{len .copied}}', 'box', '/data');
    expect(again).toMatchObject({ code: 0, out: '1 0\n' });
  });

  it('refuses what it cannot do: no path, no such file, no number, a create that finds nothing', async () => {
    expect(await gantry('copyup', 'warm', 'box')).toMatchObject({ code: 1, out: '' });
    expect(await gantry('copyup', 'warm', '-j', '0', 'box', '/data')).toMatchObject({ code: 125 });
    const missing = await gantry('copyup', 'warm', 'box', '/no*');
    expect(missing).toMatchObject({ code: 1, out: '' });
    expect(missing.err).toContain('/no*: no such file in the container');
    const made = await gantry('create', '--name', 'other', '--warm', '/no*', image, 'true');
    expect(made).toMatchObject({ code: 125, out: '' });
    expect((await gantry('ps', '-aq')).out.trim().split('\n')).toHaveLength(1);
  });
});
