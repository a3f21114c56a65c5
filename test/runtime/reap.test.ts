import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { spawnProcess } from '../../src/core/spawn.js';
import { ended, reap, release } from '../../src/runtime/reap.js';

const sh = (script: string): number =>
  spawnProcess(['/bin/sh', '-c', script], { stdio: ['ignore', 'ignore', 'ignore'] });

it.each([
  ['exit 0', 0],
  ['exit 7', 7],
  ['kill -9 $$', 137],
])('tells how "%s" ended', async (script, code) => {
  const pid = sh(script);
  expect(await reap(pid)).toBe(code);
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});

it('leaves a process its name until it is released', async () => {
  const pid = sh('exit 3');
  expect(await ended(pid)).toBe(3);
  expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe('sh\n');
  release(pid);
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});

it('does not call a child that somebody else took a success', async () => {
  expect(await reap(1)).toBe(255);
});
