/** The tour's end: the container becomes an image, the image goes to another machine, and there it shows what copy-up costs. */
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CopyUpProfile } from '../../src/copyup/profile.js';
import { APPENDED } from './container.js';
import type { RedisPort } from './own-network.js';
import { RedisClient } from './redis-client.js';
import type { Stage } from './stage.js';
import { containerPlace, mountsUnder } from './store-map.js';

const IMAGE = 'shop:1';

/** Of the stopped container; removes it. */
export async function commit(stage: Stage): Promise<void> {
  stage.title('Commit: what the container wrote becomes a layer');
  await stage.gantry('stop', 'tour');
  const changes = await stage.gantry('diff', '--size', 'tour');
  stage.expect(changes.includes(APPENDED), 'diff names what redis wrote');
  await stage.gantry('commit', '-m', '512 orders', 'tour', IMAGE);
  await stage.gantry('rm', 'tour');
  stage.expect(
    containerPlace(stage.root, 'tour') === undefined,
    'the container is gone, and its write layer',
  );
  stage.expect(mountsUnder(stage.root).length === 0, 'no mount is left');
}

/** Into the store `there`, which stands for another machine. */
export async function handOver(stage: Stage, there: string, directory: string): Promise<void> {
  stage.title('Save with lz4, load into another store');
  const archive = join(directory, 'shop.tar.lz4');
  await stage.watch('save', '--compression', 'lz4', '-o', archive, IMAGE);
  stage.say(`  ${(statSync(archive).size / 1e6).toFixed(1)} MB`);
  await stage.watch('--root', there, 'load', '-i', archive);
}

/** Runs the image from the store `there`, and writes its profile as HTML to `page`. */
export async function profile(stage: Stage, there: string, at: RedisPort, page: string): Promise<void> {
  stage.title('What copy-up costs: one more order, in a container of the image');
  const file = join(there, 'profile.json');
  const flags = ['--rm', '--name', 'tour', '-o', file, ...at.flags];
  const container = stage.start('--root', there, 'copyup', 'profile', ...flags, IMAGE);
  const client = await RedisClient.connect(at.port);
  stage.expect((await client.command('GET', 'engine')) === 'gantry', 'GET engine gives gantry here, too');
  stage.expect((await client.command('SET', 'order:512', 'x')) === 'OK', 'SET order:512');
  client.close();
  container.kill('SIGTERM');
  const [code, signal] = await once(container, 'exit');
  stage.expect(code === 0, `redis ended by itself (${signal ?? `exit code ${code}`})`);
  const { files } = JSON.parse(readFileSync(file, 'utf8')) as CopyUpProfile;
  const copied = files.find(({ path }) => path === APPENDED);
  stage.expect(
    copied !== undefined &&
      copied.bytes > 32 * 2 ** 20 &&
      (copied.changed?.block4k ?? copied.bytes) < 2 ** 16,
    `to append a few bytes, the kernel copied ${((copied?.bytes ?? 0) / 1e6).toFixed(1)} MB of ${APPENDED}`,
  );
  stage.expect(mountsUnder(there).length === 0, 'no mount is left');
  stage.say();
  await stage.gantry('copyup', 'report', '--format', 'html', '-o', page, file);
  stage.expect(readFileSync(page, 'utf8').includes('</html>'), `the same as a page: ${page}`);
}
