/** What becomes of what a container wrote: the table that users know from docker, by the program itself. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { gantry as call } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);
/** Says what it finds, then adds to it. */
const SCRIPT =
  'cat /data/seed /mark 2>/dev/null; echo changed >> /data/seed; echo ran >> /mark; rm -f /etc/group; exec sleep 600';

describe.skipIf(why !== undefined)(`the write layer${why ? ` (skipped: ${why})` : ''}`, () => {
  const directory = temporaryDirectory();
  const root = join(directory.path, 'root');
  let image: string;
  beforeAll(async () => {
    image = (await busyboxImage(openStore(root))).id;
  });
  afterAll(async () => {
    await gantry('rm', '-f', 'kept', 'fresh');
    rmSync(runDirectory(root), { recursive: true, force: true });
    directory.remove();
  });

  const gantry = (...args: string[]) => call(root, ...args);
  const ok = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await gantry(...args);
    expect({ args, code, err }).toEqual({ args, code: 0, err: '' });
    return out;
  };
  const upperOf = async (name: string) =>
    (await ok('inspect', '-f', '{{.GraphDriver.Data.UpperDir}}', name)).trim();
  const lowerOf = async (name: string) =>
    (await ok('inspect', '-f', '{{.GraphDriver.Data.LowerDir}}', name)).trim().split(':').at(-1)!;
  const run = (name: string) => ok('run', '-d', '--name', name, image, 'sh', '-c', SCRIPT);
  /** Of the image's layer: every path with its size and time. */
  const tree = (layer: string) =>
    readdirSync(layer, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((path) => {
        const { size, mtimeMs, mode } = statSync(join(layer, path), { throwIfNoEntry: false }) ?? {};
        return [path, size, mtimeMs, mode].join(' ');
      });
  /** Until it has written in so many runs; gives where. */
  const wrote = async (name: string, times: number) => {
    const upper = await upperOf(name);
    const lines = () => (existsSync(join(upper, 'mark')) ? readFileSync(join(upper, 'mark'), 'utf8') : '');
    await expect.poll(lines, { timeout: 15_000 }).toBe('ran\n'.repeat(times));
    return upper;
  };

  const said = async (name: string, text: string): Promise<string> => {
    await expect.poll(() => ok('logs', name), { timeout: 15_000 }).toContain(text);
    return ok('logs', name);
  };

  it('stop, start and restart keep it; a new run has its own; rm deletes it; the image never changes', async () => {
    await run('kept');
    const upper = await wrote('kept', 1);
    const layer = await lowerOf('kept');
    const before = tree(layer);
    expect(before.length).toBeGreaterThan(10);

    await ok('stop', '-t', '0', 'kept');
    expect(await upperOf('kept')).toBe(upper);
    expect(readFileSync(join(upper, 'mark'), 'utf8')).toBe('ran\n');

    await ok('start', 'kept');
    expect(await wrote('kept', 2)).toBe(upper);
    await ok('restart', '-t', '0', 'kept');
    expect(await wrote('kept', 3)).toBe(upper);
    expect(readFileSync(join(upper, 'data/seed'), 'utf8')).toBe(`from the image\n${'changed\n'.repeat(3)}`);
    // The third start found what the two before had written.
    await said('kept', 'from the image\nchanged\nchanged\nran\nran\n');

    await run('fresh');
    expect(await wrote('fresh', 1)).not.toBe(upper);
    expect(await said('fresh', 'from the image\n')).not.toContain('changed');
    expect(await lowerOf('fresh')).toBe(layer);
    expect(await ok('exec', 'kept', 'cat', '/mark')).toBe('ran\n'.repeat(3));

    await ok('rm', '-f', 'kept');
    expect(existsSync(join(upper, '..'))).toBe(false);
    expect(tree(layer)).toEqual(before);
    await ok('rm', '-f', 'fresh');
    await run('kept');
    expect(await wrote('kept', 1)).not.toBe(upper);
    expect(await said('kept', 'from the image\n')).not.toContain('changed');
  }, 60_000);
});
