import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runContainer } from '../../src/engine/run.js';
import { openStore } from '../../src/engine/store.js';
import { createVolume, lockVolumes, removeUnusedVolume } from '../../src/engine/volumes.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { runCli } from '../helpers/cli-run.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers();

describe('volume', () => {
  const dir = temporaryDirectory();
  const volume = (...args: string[]) => runCli(dir.path, 'volume', ...args);
  const lines = (textOf: string) => textOf.trim().split('\n');
  afterAll(() => {
    rmSync(runDirectory(dir.path), { recursive: true, force: true });
    dir.remove();
  });

  it('ls of a store without volumes is a header, and nothing is made', async () => {
    expect(await volume('ls')).toEqual({ code: 0, out: 'DRIVER    VOLUME NAME\n', err: '' });
    expect(existsSync(join(dir.path, 'volumes'))).toBe(false);
  });

  it('create prints the name, twice the same; without one it makes one up', async () => {
    expect(await volume('create', 'cache', '--label', 'tier=fast', '--label', 'x')).toEqual({
      code: 0,
      out: 'cache\n',
      err: '',
    });
    expect((await volume('create', 'cache', '--label', 'tier=slow')).out).toBe('cache\n');
    expect((await volume('create')).out).toMatch(/^[0-9a-f]{64}\n$/);
    expect(await volume('create', 'a/../b')).toMatchObject({
      code: 1,
      err: expect.stringContaining('includes invalid characters for a local volume name'),
    });
    expect(await volume('create', '-d', 'nfs', 'far')).toMatchObject({
      code: 1,
      err: expect.stringContaining('plugin "nfs" not found'),
    });
  });

  it("inspect tells docker's fields", async () => {
    const { out } = await volume('inspect', 'cache');
    expect(JSON.parse(out)).toEqual([
      {
        CreatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        Driver: 'local',
        Labels: { tier: 'fast', x: '' },
        Mountpoint: join(dir.path, 'volumes/cache/_data'),
        Name: 'cache',
        Options: null,
        Scope: 'local',
      },
    ]);
    expect(await volume('inspect', 'nosuch', 'cache', '-f', '{{.Name}}')).toEqual({
      code: 1,
      out: 'cache\n',
      err: 'gantry: get nosuch: no such volume\n',
    });
    expect((await volume('inspect', '../containers')).code).toBe(1);
  });

  it('inspect of anything finds it too', async () => {
    const { out } = await runCli(dir.path, 'inspect', '-f', '{{.Mountpoint}}', 'cache');
    expect(out).toBe(`${join(dir.path, 'volumes/cache/_data')}\n`);
    expect((await runCli(dir.path, 'inspect', '--type', 'volume', '..')).err).toBe(
      'gantry: Error: No such volume: ..\n',
    );
  });

  it('ls lists by name, filtered', async () => {
    await volume('create', 'shelf');
    mkdirSync(join(dir.path, 'volumes/not-a-volume'));
    writeFileSync(join(dir.path, 'volumes/metadata.db'), 'dockerd keeps one');
    expect(lines((await volume('ls', '-q')).out).filter((name) => name.length < 60)).toEqual([
      'cache',
      'shelf',
    ]);
    expect((await volume('ls', '-q', '-f', 'label=tier=fast')).out).toBe('cache\n');
    expect((await volume('ls', '-q', '-f', 'name=hel')).out).toBe('shelf\n');
    expect((await volume('ls', '-f', 'name=cache', '--format', '{{.Name}}: {{.Labels}}')).out).toBe(
      'cache: tier=fast,x=\n',
    );
    expect((await volume('ls', '-f', 'colour=red')).err).toContain("Invalid filter 'colour'");
  });

  it('rm removes, goes on after one that is not there, and forgives it with -f', async () => {
    expect(await volume('rm', 'nosuch', 'shelf')).toEqual({
      code: 1,
      out: 'shelf\n',
      err: 'gantry: get nosuch: no such volume\n',
    });
    expect(await volume('rm', '-f', 'nosuch')).toEqual({ code: 0, out: 'nosuch\n', err: '' });
    expect(existsSync(join(dir.path, 'volumes/shelf'))).toBe(false);
  });

  describe.skipIf(why !== undefined)(`with containers${why ? ` (skipped: ${why})` : ''}`, () => {
    const store = openStore(dir.path);
    const run = async (script: string, volumes: string[], flags = {}) => {
      const stdout = new PassThrough();
      const read = text(stdout);
      const request = createRequest({ volume: volumes, ...flags }, 'busybox', ['sh', '-c', script], {
        env: {},
        cwd: '/',
        cpuCount: 1,
        readFile: (path) => readFileSync(path, 'utf8'),
      });
      const streams = { stdin: Readable.from(['']), stdout, stderr: stdout, signalProxy: false };
      await runContainer(store, await busyboxImage(store), request, streams);
      stdout.end();
      return read;
    };

    beforeAll(async () => {
      expect(await run('cat /v/seed; echo more >/v/more', ['data:/v'], { name: 'user' })).toContain('seed');
      await run('true', ['/anonymous'], { name: 'other' });
    });

    it('keeps what a stopped container names, also under -f', async () => {
      const { code, err } = await volume('rm', '-f', 'data');
      expect(code).toBe(1);
      expect(err).toMatch(/^gantry: remove data: volume is in use - \[[0-9a-f]{64}\]\n {2}hint: gantry rm /);
      expect((await volume('ls', '-q', '-f', 'dangling=false')).out).toContain('data\n');
      expect((await volume('ls', '-q', '-f', 'dangling=true')).out).not.toContain('data\n');
    });

    it('shares one volume between containers, and prune takes only what nothing names', async () => {
      expect(await run('cat /w/more', ['data:/w'], { rm: true })).toBe('more\n');
      await runCli(dir.path, 'rm', 'other');
      const anonymous = lines((await volume('ls', '-q')).out).filter((name) => name.length === 64);
      expect(anonymous).toHaveLength(2);
      writeFileSync(join(dir.path, 'volumes', anonymous[0]!, '_data/file'), 'x'.repeat(2000));
      expect((await volume('prune', '-f')).out).toBe(
        `Deleted Volumes:\n${anonymous.join('\n')}\n\nTotal reclaimed space: 2kB\n`,
      );
      expect((await volume('prune', '-f', '--filter', 'label!=tier', '-a')).out).toBe(
        'Total reclaimed space: 0B\n',
      );
      expect((await volume('prune', '-af')).out).toContain('Deleted Volumes:\ncache\n');
      await runCli(dir.path, 'rm', 'user');
      expect(await volume('rm', 'data')).toEqual({ code: 0, out: 'data\n', err: '' });
    });

    it('system prune takes networks, and anonymous volumes when asked', async () => {
      await runCli(dir.path, 'network', 'create', '--subnet', '10.231.7.0/24', 'unused');
      const anonymous = (await volume('create')).out;
      expect((await runCli(dir.path, 'system', 'prune', '--volumes', '--filter', 'until=1h')).err).toBe(
        'gantry: The "until" filter is not supported with "--volumes"\n',
      );
      expect((await runCli(dir.path, 'system', 'prune', '-f')).out).toContain(
        'Deleted Networks:\nunused\n\n',
      );
      expect((await runCli(dir.path, 'system', 'prune', '-f', '--volumes')).out).toContain(
        `Deleted Volumes:\n${anonymous}\n`,
      );
    });

    it('removal waits for a container that is being made', async () => {
      await createVolume(store, { name: 'race' });
      const creating = await lockVolumes(store, 'shared');
      let removed = false;
      const removal = removeUnusedVolume(store, 'race').then(() => {
        removed = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(removed).toBe(false);
      creating.release();
      await removal;
      expect(removed).toBe(true);
    });
  });
});
