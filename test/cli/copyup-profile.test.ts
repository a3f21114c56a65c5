import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CopyUpProfile } from '../../src/copyup/profile.js';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { whyNoTracing } from '../copyup/overlay.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { runCli } from '../helpers/cli-run.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoTracing() ?? whyNoContainers();

describe.skipIf(why !== undefined)(`copyup profile${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let root: string;
  beforeAll(async () => {
    directory = temporaryDirectory();
    root = join(directory.path, 'root');
    const store = openStore(root);
    const { id } = await busyboxImage(store);
    await store.tags.update({ set: [{ reference: 'busybox:latest', imageID: id }] });
  });
  afterAll(() => {
    rmSync(runDirectory(root), { recursive: true, force: true });
    directory.remove();
  });
  const profile = (...args: string[]) => runCli(root, 'copyup', 'profile', ...args);

  it('runs to the end, reports, saves, and exits as the container did', async () => {
    const file = join(directory.path, 'profile.json');
    const ran = await profile('--rm', '-o', file, 'busybox', 'sh', '-c', 'echo >>/etc/passwd; exit 5');
    expect(ran.code).toBe(5);
    expect(ran.out).toMatch(/^Copy-ups of \S+ \(busybox\), traced for .*exit status 5\n/);
    expect(ran.out).toMatch(/ open +sh \(\d+\) .* \/etc\/passwd\n/);
    const saved = /^profile: (.*)$/m.exec(ran.err)![1]!;
    expect(readFileSync(file, 'utf8')).toBe(readFileSync(saved, 'utf8'));
    expect((JSON.parse(readFileSync(file, 'utf8')) as CopyUpProfile).source).toBe('trace');

    expect((await runCli(root, 'system', 'prune', '-f')).out).toContain('Deleted Profiles:\n');
    expect(existsSync(saved)).toBe(false);
  });

  it('says when it only looks at the upper directory', async () => {
    const ran = await profile('--name', 'kept', '--no-trace', 'busybox', 'sh', '-c', 'echo >>/etc/passwd');
    expect(ran.out).toContain('from the upper directory alone');
    const stopped = await profile('--container', 'kept');
    expect(stopped.err).toContain('container kept does not run: only its upper directory is looked at');
    expect(stopped.out).toContain('/etc/passwd');
    // Without that capability overlayfs's own attributes do not show.
    const script = join(import.meta.dirname, '../../dist/src/cli/gantry.js');
    const command = [process.execPath, script, '--root', root, 'copyup', 'profile', '--container', 'kept'];
    const without = ['--bounding-set', '-sys_admin', ...command];
    const poor = execFileSync('setpriv', without, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    expect(poor).toBe(stopped.out);
    await runCli(root, 'rm', 'kept');
  });

  it('refuses what cannot be', async () => {
    expect(await profile()).toMatchObject({
      code: 1,
      err: expect.stringContaining('an IMAGE or --container'),
    });
    expect(await profile('--container', 'x', 'busybox')).toMatchObject({
      code: 1,
      err: expect.stringContaining('either an image or --container'),
    });
    expect((await profile('--duration', 'soon', 'busybox')).code).toBe(125);
    expect((await profile('--pull', 'never', 'busybox', 'no-such-command')).code).toBe(127);
  });
});
