import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { newContainerID } from '../../src/core/ids.js';
import { cleanupCommand } from '../../src/engine/cleanup-command.js';
import { openStore } from '../../src/engine/store.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const dir = temporaryDirectory();
afterAll(() => dir.remove());
const root = join(dir.path, 'a "root" of $(many) words');
const store = openStore(root);
const id = newContainerID();
const record = join(root, 'containers', id, 'config.v2.json');
const called = join(dir.path, 'called');
const [program, ...args] = cleanupCommand(
  ['/bin/sh', '-c', `printf '%s\\n' "$@" >'${called}'`, 'sh'],
  store,
  id,
);

beforeEach(() => {
  rmSync(called, { force: true });
  mkdirSync(dirname(record), { recursive: true });
  writeFileSync(record, '{}');
});

it('calls gantry for a container that is there', () => {
  execFileSync(program, args);
  expect(readFileSync(called, 'utf8').split('\n')).toEqual(['--root', root, 'container', 'cleanup', id, '']);
  expect(existsSync(store.lockPath('containers', id))).toBe(false);
});

it('does not for one that is gone', () => {
  rmSync(record);
  execFileSync(program, args);
  expect(existsSync(called)).toBe(false);
});

it('waits for who is removing it', async () => {
  const held = await store.lockNamed('containers', id);
  const running = promisify(execFile)(program, args);
  await sleep(100);
  rmSync(record);
  held.release();
  await running;
  expect(existsSync(called)).toBe(false);
});

it('calls gantry when who held the lock has left it there', async () => {
  const held = await store.lockNamed('containers', id);
  const running = promisify(execFile)(program, args);
  await sleep(100);
  expect(existsSync(called)).toBe(false);
  held.release();
  await running;
  expect(existsSync(called)).toBe(true);
});
