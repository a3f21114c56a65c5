/**
 * npm run quickstart [-- --root DIR]: the main job for real, on a machine that has nothing yet. Makes a redis image
 * from Debian packages, serves it from gantry's own registry on loopback, pulls it, runs it under a memory limit,
 * talks to it, and shows what lies where on disk. Leaves nothing behind but the image builder's cache (and --root,
 * where given). Exits with 1 if any step failed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseDiffID } from '../src/core/digest/digest.js';
import { freePort, stopChild } from '../test/helpers/registry-fixture.js';
import { ensureImage, type ImageFacts } from './images/build.js';
import { GANTRY } from './peers/tools.js';
import { drawTree, findProcess, memoryLimit, processTree } from './tour/processes.js';
import { RedisClient } from './tour/redis-client.js';
import { containerPlace, layerPlaces, mountsUnder } from './tour/store-map.js';

const MEMORY = 500 * 2 ** 20;

const { values } = parseArgs({ options: { root: { type: 'string' } } });
const work = mkdtempSync(join(tmpdir(), 'gantry-quickstart-'));
const root = resolve(values.root ?? join(work, 'root'));
const children: ChildProcess[] = [];
let step = 0;

const say = (line = ''): void => console.log(line);
const title = (text: string): void => say(`\n━━ ${++step}. ${text}\n`);
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`expected ${what}`);
  say(`✔ ${what}`);
}

/** Starts gantry as a user would, and shows the command line. */
function gantry(...args: string[]): ChildProcess {
  say(`$ gantry ${args.join(' ')}`);
  const child = spawn(process.execPath, [GANTRY, '--root', root, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  children.push(child);
  return child;
}

async function finished(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`exit code ${code}`);
}

async function build(): Promise<ImageFacts> {
  title('A redis image of four layers, from Debian packages');
  const image = await ensureImage('redis', (line) => say(`  ${line}`));
  for (const layer of image.layers)
    say(`  ${layer.digest.slice(0, 19)}  ${mb(layer.size)} compressed, ${mb(layer.tarSize)} of files`);
  return image;
}

async function serve(image: ImageFacts): Promise<string> {
  title('A registry on loopback');
  // The server names a repository after its directory.
  mkdirSync(join(work, 'served'));
  const layout = join(work, 'served/redis');
  symlinkSync(image.dir, layout);
  const host = `127.0.0.1:${await freePort()}`;
  const server = gantry('registry', 'serve', layout, '--listen', host);
  for (let waited = 0; ; waited += 50) {
    if (server.exitCode !== null || waited > 10_000) throw new Error('the registry server did not start');
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok) break;
    await sleep(50);
  }
  return `${host}/redis:latest`;
}

async function pull(reference: string, image: ImageFacts): Promise<void> {
  title('Pull: all layers at once, every byte verified');
  const started = performance.now();
  await finished(gantry('pull', reference));
  say(`  ${((performance.now() - started) / 1000).toFixed(1)} s`);

  title('What is there now');
  await finished(gantry('images', '--digests'));
  say();
  await finished(gantry('history', reference));
  say(`\n${root}/`);
  for (const layer of layerPlaces(
    root,
    image.layers.map(({ diffID }) => parseDiffID(diffID)),
  )) {
    say(`  image/overlay2/layerdb/${layer.chainID.replace(':', '/').slice(0, 19)}…/cache-id`);
    say(`    → overlay2/${layer.cacheID.slice(0, 12)}…/diff  ${mb(layer.size)}`);
    const target = readlinkSync(join(root, 'overlay2/l', layer.link));
    say(`    ← overlay2/l/${layer.link} -> ${target.slice(0, 16)}…/diff`);
  }
}

async function run(reference: string): Promise<void> {
  title('Run: redis-server with 500 MiB of memory, in the foreground of a gantry of its own');
  const port = await freePort();
  const server = [
    'redis-server',
    '/usr/local/etc/redis/redis.conf',
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
  ];
  const container = gantry(
    'run',
    '--rm',
    '--name',
    'tour',
    '--network',
    'host',
    '-m',
    '500M',
    reference,
    ...server,
  );
  const redis = await RedisClient.connect(port, 20_000, () => container.exitCode !== null);
  try {
    expect((await redis.command('PING')) === 'PONG', 'PING is answered by PONG');
    expect((await redis.command('SET', 'engine', 'gantry')) === 'OK', 'SET engine gantry');
    expect((await redis.command('GET', 'engine')) === 'gantry', 'GET engine gives gantry back');
    expect(
      /^process_id:1\r$/m.test(await redis.command('INFO', 'server')),
      'redis is process 1 of its own pid namespace',
    );
  } finally {
    redis.close();
  }

  title('The running container, seen from the host');
  const tree = processTree(container.pid!);
  for (const line of drawTree(tree)) say(`  ${line}`);
  const limit = memoryLimit(findProcess(tree, 'redis-server')?.pid ?? 0);
  say(`  ${limit?.file}`);
  expect(Number(limit?.bytes) === MEMORY, `its control group allows ${MEMORY} bytes (500 MiB) of memory`);
  const place = containerPlace(root, 'tour');
  if (place === undefined) throw new Error('no container of that name in the store');
  const layer = `overlay2/${place.mountID.slice(0, 12)}…`;
  say(`  containers/${place.id.slice(0, 12)}…/ holds ${place.files.join(', ')}`);
  say(`  ${layer}/merged is its root: the four layers below, its write layer on top`);
  say(`  ${layer}/diff is the write layer: ${place.written.join(', ') || 'empty, nothing was changed'}`);

  title('Stop: SIGTERM goes through gantry to redis, which saves and leaves');
  container.kill('SIGTERM');
  const [code, signal] = await once(container, 'exit');
  expect(code === 0, `redis ended by itself (exit code ${code ?? signal})`);
  expect(containerPlace(root, 'tour') === undefined, 'the container was removed (--rm)');
  expect(mountsUnder(root).length === 0, 'no mount is left');
}

try {
  const image = await build();
  const reference = await serve(image);
  await pull(reference, image);
  await run(reference);
  say(`
━━ What happened

  A registry that knows nothing of gantry's insides handed out four gzip blobs. Each was fetched, hashed, inflated,
  hashed again and unpacked in one pass, all four at the same time, into overlay2/<cache-id>/diff, and published
  in the order of the chain. The root is laid out as Docker's: dockerd can be started on it. The container was an
  overlay mount of these directories with a write layer on top; redis saw it as its whole disk. There was no daemon:
  every line above that starts with $ was a process that came and went.
`);
} catch (error) {
  console.error(`\nquickstart failed in step ${step}: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  for (const child of children.reverse()) await stopChild(child);
  rmSync(work, { recursive: true, force: true });
}
