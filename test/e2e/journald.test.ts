/**
 * `--log-driver journald` beside a real systemd-journald, in a mount namespace of its own where /run/systemd and /run/log
 * are empty: nothing of it is seen outside. conmon writes for detached containers, gantry for those in the foreground.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { JOURNAL_SOCKET } from '../../src/runtime/journal-socket.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { busyboxImage } from '../engine/busybox-image.js';
import type { CliResult } from '../helpers/cli-run.js';
import { gantry as built, GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const JOURNALD = '/lib/systemd/systemd-journald';
const why =
  whyNoContainers() ??
  (findExecutable('conmon') === undefined ? 'needs conmon' : undefined) ??
  (existsSync(JOURNALD) ? undefined : 'needs systemd-journald');

/** Without kernel messages and auditing, which are everybody's. */
const ALONE = `
mount -t tmpfs tmpfs /run/systemd && mkdir -p /run/systemd/journal /run/systemd/journald.conf.d
mount -t tmpfs tmpfs /run/log && mkdir /run/log/journal
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nRateLimitBurst=0\\n' > /run/systemd/journald.conf.d/test.conf
exec ${JOURNALD}`;

describe.skipIf(why !== undefined)(`journald${why ? ` (skipped: ${why})` : ''}`, { timeout: 60_000 }, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let root: string;
  let image: string;
  let journald: ChildProcess;
  const inside = (...command: string[]) => ['-t', String(journald.pid), '-m', '--', ...command];
  const call = (...command: string[]) =>
    new Promise<CliResult>((resolve) => {
      execFile('nsenter', inside(...command), { timeout: 60_000 }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 255), out, err }),
      );
    });
  const gantry = (...args: string[]) => call(process.execPath, GANTRY, '--root', root, ...args);
  beforeAll(async () => {
    directory = temporaryDirectory();
    root = join(directory.path, 'root');
    image = (await busyboxImage(openStore(root))).id;
    journald = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', ALONE], { stdio: 'ignore' });
    for (let tries = 0; (await call('test', '-S', JOURNAL_SOCKET)).code !== 0; tries++) {
      if (tries > 100 || journald.exitCode !== null) throw new Error('journald did not start');
      await sleep(50);
    }
  }, 30_000);
  afterAll(async () => {
    for (const name of ['detached', 'followed', 'front', 'long']) await gantry('rm', '-f', name);
    const ended = once(journald, 'exit');
    journald.kill('SIGTERM');
    await ended;
    rmSync(runDirectory(root), { recursive: true, force: true });
    directory.remove();
  });
  const run = (name: string, script: string, ...flags: string[]) =>
    gantry('run', '--log-driver', 'journald', '--name', name, ...flags, image, 'sh', '-c', script);

  it('keeps what a detached one prints, by stream, with its id and name; nothing in files', async () => {
    const script = 'echo out; echo err >&2; sleep 0.1; printf part; sleep 0.3; echo end; echo grün';
    const id = (await run('detached', script, '-d')).out.trim();
    expect(await gantry('wait', 'detached')).toMatchObject({ out: '0\n' });
    expect(await gantry('logs', 'detached')).toEqual({ code: 0, out: 'out\npartend\ngrün\n', err: 'err\n' });
    expect((await gantry('logs', '-n', '1', 'detached')).out).toBe('grün\n');
    expect((await gantry('logs', '-t', '-n', '1', 'detached')).out).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}000Z grün\n$/,
    );
    expect((await gantry('logs', '--until', '1h', 'detached')).out).toBe('');
    expect((await gantry('logs', '--since', '1h', 'detached')).out).toContain('out\n');
    const { out } = await call('journalctl', '-o', 'json', '-n', '1', `CONTAINER_ID_FULL=${id}`);
    expect(JSON.parse(out)).toMatchObject({
      MESSAGE: expect.stringMatching(/^grün\n?$/),
      CONTAINER_NAME: 'detached',
      CONTAINER_ID: id.slice(0, 12),
    });
    expect(existsSync(join(root, 'containers', id, `${id}-json.log`))).toBe(false);
  });

  it('keeps what one in the foreground prints, in the same fields', async () => {
    const script = 'echo out; echo err >&2; printf "a\\0b\\n"; printf "no newline"';
    expect(await run('front', script)).toEqual({ code: 0, out: 'out\na\0b\nno newline', err: 'err\n' });
    const shown = await gantry('logs', 'front');
    expect(shown.err).toBe('err\n');
    expect(shown.out).toBe('out\na\0b\nno newline');
    const { out } = await call('journalctl', '-o', 'json', 'CONTAINER_NAME=front', 'PRIORITY=3');
    expect(JSON.parse(out)).toMatchObject({ MESSAGE: 'err' });
  });

  it('follows to the end, over a line that is longer than a message', async () => {
    await run(
      'followed',
      'i=0; while [ $i -lt 40 ]; do echo "line $i"; i=$((i+1)); sleep 0.02; done; exit 4',
      '-d',
    );
    const { out } = await gantry('logs', '-f', 'followed');
    expect(out).toBe(Array.from({ length: 40 }, (_, i) => `line ${i}\n`).join(''));
    await run('long', 'yes ä | head -n 20000 | while read a; do echo -n ä; done; echo', '-d');
    expect((await gantry('logs', '-f', 'long')).out).toBe(`${'ä'.repeat(20_000)}\n`);
  });

  it('is refused where no journal listens; none is told as docker tells it', async () => {
    if (!existsSync(JOURNAL_SOCKET)) {
      const flags = ['run', '--rm', '--log-driver', 'journald'];
      for (const how of [[], ['-d']]) {
        const refused = await built(root, ...flags, ...how, image, 'true');
        expect(refused.code).toBe(125);
        expect(refused.err).toContain('journald is not enabled on this host');
      }
    }
    await built(root, 'run', '--log-driver', 'none', '--name', 'silent', image, 'echo', 'x');
    expect(await built(root, 'logs', 'silent')).toEqual({
      code: 1,
      out: '',
      err: 'gantry: configured logging driver does not support reading\n',
    });
    expect((await built(root, 'run', '--log-driver', 'syslog', image, 'true')).code).toBe(125);
  });
});
