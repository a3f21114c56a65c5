import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { beginCgroupGrace, ownProcs } from '../../src/runtime/cgroup-grace.js';
import { type CgroupLayout, cgroupLayout } from '../../src/runtime/cgroup-layout.js';

const layout = (controllers: [string, string][]): CgroupLayout => ({
  version: 'v1',
  controllers: new Map(controllers),
  swapLimit: false,
  blockWeight: false,
});

describe('ownProcs', () => {
  const v1 = layout([
    ['cpu', '/sys/fs/cgroup/cpu,cpuacct'],
    ['memory', '/sys/fs/cgroup/memory'],
  ]);
  const v2 = layout([
    ['cpu', '/sys/fs/cgroup'],
    ['memory', '/sys/fs/cgroup'],
  ]);

  it.each([
    [
      'v1',
      v1,
      '3:memory:/a\n2:cpu,cpuacct:/build/7\n0::/x\n',
      '/sys/fs/cgroup/cpu,cpuacct/build/7/cgroup.procs',
    ],
    ['v2', v2, '0::/user.slice/run-1.scope\n', '/sys/fs/cgroup/user.slice/run-1.scope/cgroup.procs'],
    ['a path with a colon', v2, '0::/a:b\n', '/sys/fs/cgroup/a:b/cgroup.procs'],
    ['one outside of the cgroup namespace', v2, '0::/../other\n', undefined],
    ['no cgroups', layout([]), '', undefined],
  ])('%s', (_what, host, membership, expected) => {
    expect(ownProcs(host, membership)).toBe(expected);
  });
});

describe.skipIf(process.getuid?.() !== 0)('the grace period (root: writes cgroup.procs)', () => {
  it('leaves this process where it is', async () => {
    const before = readFileSync('/proc/self/cgroup', 'utf8');
    const grace = beginCgroupGrace(cgroupLayout());
    await sleep(50);
    grace.end();
    expect(readFileSync('/proc/self/cgroup', 'utf8')).toBe(before);
  });

  it('is let be where the files are not there', async () => {
    beginCgroupGrace(layout([['cpu', '/nowhere']])).end();
    beginCgroupGrace(layout([])).end();
  });
});

describe('a process that is not where it seems', () => {
  const mount = mkdtempSync(join(tmpdir(), 'gantry-grace-'));
  afterAll(() => rmSync(mount, { recursive: true }));
  const there = layout([['cpu', mount]]);
  const procs = ownProcs(there, '1:cpu:/build\n')!;
  mkdirSync(dirname(procs), { recursive: true });
  let membership: string;
  const files = {
    read: (path: string) => (path === procs ? readFileSync(path, 'utf8') : membership),
    exists: () => true,
  };
  const begin = (members: string) => {
    membership = '1:cpu:/build\n';
    writeFileSync(procs, members);
    return beginCgroupGrace(there, files);
  };

  it('is not moved by the cgroup of the same path that is another one', async () => {
    const left = async (members: string) => {
      const grace = begin(members);
      await sleep(50);
      grace.end();
      return readFileSync(procs, 'utf8');
    };
    expect(await left(`1\n${process.pid}0\n`)).toBe(`1\n${process.pid}0\n`);
    expect(await left(`1\n${process.pid}\n`)).toMatch(/^0/);
  });

  it('is not taken back when somebody has moved it meanwhile', async () => {
    const grace = begin(`${process.pid}\n`);
    membership = '1:cpu:/limited\n';
    await sleep(50); // a move that was under way is done
    writeFileSync(procs, 'untouched');
    await sleep(50);
    grace.end();
    expect(readFileSync(procs, 'utf8')).toBe('untouched');
  });
});
