/** The tour's container: a detached redis under a memory limit, seen from inside and outside, stopped and started. */
import type { ResourceReport } from '../../src/runtime/resource-report.js';
import { freePort } from '../../test/helpers/registry-fixture.js';
import { publish, type RedisPort } from './own-network.js';
import { drawTree, memoryLimit, parentOf, processTree } from './processes.js';
import { RedisClient } from './redis-client.js';
import type { Stage } from './stage.js';
import { containerPlace } from './store-map.js';

const MEMORY = 500 * 2 ** 20;
/** The image's own /data is a volume; what redis saves here is the write layer's. */
const DIRECTORY = '/srv/redis';
/** Where redis appends what it is told. */
export const APPENDED = `${DIRECTORY}/appendonlydir/appendonly.aof.1.incr.aof`;
const SIZE = String.raw`[\d.]+[kMG]?B`;
/** `1d0ea3b7c4f2   tour      0.35%     7.5MiB / 500MiB   1.50%     1.2kB / 815B   0B / 41kB   5` */
const STATS_LINE = new RegExp(
  String.raw`^[0-9a-f]{12} {3,}tour {3,}\d+\.\d\d% {3,}[\d.]+[KM]iB / 500MiB {3,}\d+\.\d\d% {3,}${SIZE} / ${SIZE} {3,}${SIZE} / ${SIZE} {3,}\d+$`,
);

const lines = (text: string): string[] => text.trim().split('\n');

/** `own`: the network is the tour's own. */
export async function run(stage: Stage, reference: string, own: boolean): Promise<RedisPort> {
  stage.title('Run: redis-server with 500 MiB of memory, detached');
  const at = await publish(stage, reference, await freePort(), own);
  const redis = ['redis-server', '/usr/local/etc/redis/redis.conf', '--dir', DIRECTORY, ...at.redis];
  const flags = ['-d', '--name', 'tour', '-m', '500M', '-w', DIRECTORY, ...at.flags];
  await stage.gantry('run', ...flags, reference, ...redis);
  const client = await RedisClient.connect(at.port);
  stage.expect((await client.command('PING')) === 'PONG', `PING to 127.0.0.1:${at.port} is answered by PONG`);
  stage.expect((await client.command('SET', 'engine', 'gantry')) === 'OK', 'SET engine gantry');
  stage.expect((await client.command('GET', 'engine')) === 'gantry', 'GET engine gives gantry back');
  client.close();
  return at;
}

export async function lookAround(stage: Stage): Promise<void> {
  stage.title('From inside: redis is process 1, and there is nothing else');
  const inside = lines(await stage.gantry('exec', 'tour', 'ps', '-eo', 'pid,args')).slice(1);
  stage.expect(
    inside.length === 2 && /^1 redis-server /.test(inside[0]!.trim()) && /^\d+ ps /.test(inside[1]!.trim()),
    'ps sees redis-server as process 1, and itself',
  );

  stage.title('From outside: a process of the host, under its shim');
  const pid = Number(await stage.gantry('inspect', '-f', '{{.State.Pid}}', 'tour'));
  const shim = processTree(parentOf(pid));
  for (const line of drawTree(shim)) stage.say(`  ${line}`);
  stage.expect(shim.name === 'conmon', 'its parent is the shim, conmon; no gantry is left running');
  const top = lines(await stage.gantry('top', 'tour', '-o', 'pid,ppid,args'));
  stage.expect(
    top.length === 2 && top[1]!.split(/\s+/, 2).join() === `${pid},${shim.pid}`,
    'top tells the pids of the host',
  );
  await stage.gantry('ps');
  const limit = memoryLimit(pid);
  stage.say(`  ${limit?.file}`);
  stage.expect(
    Number(limit?.bytes) === MEMORY,
    `its control group allows ${MEMORY} bytes (500 MiB) of memory`,
  );
  const stats = lines(await stage.gantry('stats', '--no-stream', 'tour'));
  stage.expect(STATS_LINE.test(stats[1]!), "stats has docker's columns and formats");

  const place = containerPlace(stage.root, 'tour')!;
  const layer = `overlay2/${place.mountID.slice(0, 12)}…`;
  stage.say(`  containers/${place.id.slice(0, 12)}…/ holds ${place.files.join(', ')}`);
  stage.say(`  ${layer}/merged is its root: the four layers below, its write layer on top`);
  stage.say(`  ${layer}/diff is the write layer: ${place.written.join(', ')}`);
}

export async function stopAndStart(stage: Stage, at: RedisPort): Promise<void> {
  stage.title('Stop and start: the write layer stays');
  await stage.gantry('stop', 'tour');
  const exit = await stage.gantry('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'tour');
  stage.expect(exit === 'exited 0\n', 'redis had SIGTERM, saved and left with exit code 0');
  const resources = await stage.gantry('inspect', '-f', '{{json .State.Resources}}', 'tour');
  const used = JSON.parse(resources) as ResourceReport;
  stage.expect(used.CpuUsage > 0, `the run took ${(used.CpuUsage / 1e6).toFixed(0)} ms of CPU in all`);
  await stage.gantry('start', 'tour');
  const client = await RedisClient.connect(at.port);
  stage.expect((await client.command('GET', 'engine')) === 'gantry', 'GET engine still gives gantry');
  const order = 'x'.repeat(64 * 2 ** 10);
  for (let number = 0; number < 512; number++) await client.command('SET', `order:${number}`, order);
  client.close();
  stage.say('✔ 512 orders of 64 KiB were set');
}
