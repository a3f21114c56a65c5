import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectCgroupEntry } from '../../src/runtime/cgroup-entry.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';

const layout = cgroupLayout();
const own = () => readFileSync('/proc/self/cgroup', 'utf8');

describe.skipIf(layout.version === 'v2')('an entry into a cgroup that is to come (needs cgroup v1)', () => {
  const [controller = ''] = layout.controllers.keys();
  const path = own()
    .split('\n')
    .find((line) => line.split(':')[1]?.split(',').includes(controller))
    ?.split(':')[2];
  let directory: string;
  let file: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-entry-'));
    mkdirSync(join(directory, path!), { recursive: true });
    file = join(directory, path!, 'cgroup.procs');
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const written = async (members: string) => {
    writeFileSync(file, members);
    expectCgroupEntry({ ...layout, controllers: new Map([[controller, directory]]) });
    for (let waited = 0; readFileSync(file, 'utf8') === members && waited < 300; waited += 10)
      await sleep(10);
    return readFileSync(file, 'utf8');
  };

  it('is written where this process is a member, and nowhere else', async () => {
    expect(await written(`1\n${process.pid}\n`)).toMatch(/^0/);
    expect(await written(`1\n${process.pid}0\n`)).toBe(`1\n${process.pid}0\n`);
    rmSync(file);
    expectCgroupEntry({ ...layout, controllers: new Map([[controller, directory]]) });
  });

  it.skipIf(process.getuid?.() !== 0)('moves nothing (needs root)', async () => {
    const before = own();
    for (let time = 0; time < 3; time++) expectCgroupEntry(layout);
    await sleep(100);
    expect(own()).toBe(before);
  });
});
