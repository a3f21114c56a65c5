/**
 * commit of a container with 20,000 new files and one of 1 GiB, beside docker and podman. Each has the same files put into
 * the upper directory of a container that it made of the same image; before each run one file is changed, so that every
 * run makes a layer of its own. What was made stays until the end (DESIGN §4 on freed inodes). Needs root and the build.
 */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openStore } from '../../src/engine/store.js';
import { busyboxImage } from '../../test/engine/busybox-image.js';
import { busyboxRootfs } from '../../test/runtime/busybox.js';
import type { Case, Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';
import { Meter } from '../peers/meter.js';
import { GANTRY, installed, TOOLS } from '../peers/tools.js';

const FILES = 20_000;
const SMALL_BYTES = 2000;
const BIG_BYTES = 2 ** 30;

const run = promisify(execFile);
const sh = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();

export async function commitSuite(): Promise<Suite> {
  const dir = mkdtempSync(join(benchDir(), 'commit-'));
  const made = join(dir, 'made');
  makeFiles(made);
  const rootfs = join(dir, 'rootfs');
  mkdirSync(rootfs);
  busyboxRootfs(rootfs);
  const tar = join(dir, 'rootfs.tar');
  sh('tar', '-cf', tar, '-C', rootfs, '.');

  const closing: (() => Promise<unknown>)[] = [];
  const cases: Case[] = [];
  const add = (name: string, upper: string, command: readonly string[]): void => {
    sh('cp', '-a', `${made}/.`, upper);
    const [program, ...args] = command as [string, ...string[]];
    cases.push({
      name,
      group: 'commit',
      bytes: BIG_BYTES + FILES * SMALL_BYTES,
      before: () => appendFileSync(join(upper, 'new/changed'), 'x'),
      run: () => run(program, args),
    });
  };

  const docker = TOOLS.find(({ name }) => name === 'docker')!;
  if (installed(docker)) {
    const meter = new Meter('gantry-bench-commit');
    const stop = await docker.prepare!({ dir: join(dir, 'docker'), reference: '127.0.0.1:1/x', meter });
    closing.push(async () => {
      await stop();
      await meter.close();
    });
    const call = ['docker', '-H', `unix://${join(dir, 'docker/sock')}`] as const;
    const image = sh(...call, 'import', tar);
    const id = sh(...call, 'create', '--network', 'none', image, 'sh');
    add('docker', sh(...call, 'inspect', '-f', '{{.GraphDriver.Data.UpperDir}}', id), [
      ...call,
      'commit',
      id,
    ]);
  }
  const podman = TOOLS.find(({ name }) => name === 'podman')!;
  if (installed(podman)) {
    const places = ['--root', join(dir, 'podman'), '--runroot', join(dir, 'podman-run')];
    const call = ['podman', ...places, '--storage-driver', 'overlay'] as const;
    const [program, ...flags] = call;
    const image = sh(program, ...flags, 'import', '-q', tar);
    const id = sh(program, ...flags, 'create', '--network', 'none', image, 'sh');
    const upper = sh(program, ...flags, 'inspect', '-f', '{{.GraphDriver.Data.UpperDir}}', id);
    add('podman', upper, [...call, 'commit', '-q', id]);
  }
  const root = join(dir, 'gantry');
  const store = openStore(root);
  const { id: image } = await busyboxImage(store);
  const call = [GANTRY, '--root', root] as const;
  const newContainer = (): { id: string; upper: string } => {
    const id = sh(...call, 'create', image, 'sh');
    return { id, upper: store.driver.files(id as never) };
  };
  const { id, upper } = newContainer();
  add('gantry', upper, [...call, 'commit', id]);
  let given = '';
  cases.push({
    ...cases.at(-1)!,
    name: 'gantry --consume',
    before: () => {
      const fresh = newContainer();
      given = fresh.id;
      sh('cp', '-a', `${made}/.`, fresh.upper);
      writeFileSync(join(fresh.upper, 'new/changed'), fresh.id);
    },
    run: () => run(call[0], [...call.slice(1), 'commit', '--consume', given]),
  });
  return {
    cases,
    runs: 2,
    close: async () => {
      for (const close of closing) await close();
      // podman leaves its overlay directory mounted on itself, dockerd what it mounted for a commit.
      for (const mount of mountsBelow(dir)) sh('umount', '-l', mount);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const mountsBelow = (dir: string): string[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? [])
    .filter((path) => path.startsWith(`${dir}/`))
    .reverse();

function makeFiles(made: string): void {
  const content = randomBytes(SMALL_BYTES + FILES);
  for (let index = 0; index < FILES; index++) {
    const directory = join(made, 'new', `${Math.floor(index / 200)}`);
    if (index % 200 === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `${index}`), content.subarray(index, index + SMALL_BYTES));
  }
  const piece = randomBytes(2 ** 20);
  for (let at = 0; at < BIG_BYTES; at += piece.length) appendFileSync(join(made, 'new/big'), piece);
  writeFileSync(join(made, 'new/changed'), '');
}
