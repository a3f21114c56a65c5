import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, expect, it } from 'vitest';
import { originalStack } from '../../../src/cli/render/stack.js';
import { GANTRY } from '../../helpers/gantry-process.js';
import { temporaryDirectory } from '../../helpers/layer-fixture.js';

const dir = temporaryDirectory();
afterAll(() => dir.remove());

it('finds the places of a bundle in its sources', async () => {
  const stdin = {
    contents: 'function a(){\n\n  throw new Error("x")}\na()',
    sourcefile: 'sum.ts',
    loader: 'ts',
  } as const;
  await build({ stdin, outfile: join(dir.path, 'out.js'), minify: true, sourcemap: true, bundle: true });
  const stack = `Error: x\n    at a (${join(dir.path, 'out.js')}:1:30)\n    at node:internal/x:1:2`;
  expect(originalStack(stack)).toMatch(
    /^Error: x\n {4}at a \(\/.*\/sum\.ts:\d+:\d+\)\n {4}at node:internal\/x:1:2$/,
  );
});

it('leaves alone what has no map', () => {
  const stack = 'Error: x\n    at b (/nowhere/process.js:1:2)';
  expect(originalStack(stack)).toBe(stack);
  copyFileSync(import.meta.filename, join(dir.path, 'bad.js.map'));
  const bad = `at b (${join(dir.path, 'bad.js')}:1:2)`;
  expect(originalStack(bad)).toBe(bad);
});

it('of the program with --debug: files that exist', () => {
  const { stderr } = spawnSync(GANTRY, ['--debug', '--root', dir.path, 'history', 'none'], {
    encoding: 'utf8',
  });
  const places = [...stderr.matchAll(/ \(?(\/[^():]+\.ts):(\d+):\d+/g)];
  expect(places.length).toBeGreaterThan(2);
  for (const [, file] of places) expect(existsSync(file!), file).toBe(true);
  expect(stderr).not.toContain('process.js:');
});
