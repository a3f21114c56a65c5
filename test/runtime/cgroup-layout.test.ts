import { expect, it } from 'vitest';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';

const files = (texts: Readonly<Record<string, string>>) => ({
  read: (path: string) => texts[path],
  exists: (path: string) => path in texts,
});
const v1 = (name: string) =>
  `30 25 0:26 / /sys/fs/cgroup/${name} rw,relatime shared:9 - cgroup cgroup rw,${name}`;
const unified = (target: string) => `31 25 0:27 / ${target} rw shared:10 - cgroup2 cgroup2 rw,nsdelegate`;

it('knows pure v2', () => {
  const host = files({
    '/proc/self/mountinfo': unified('/sys/fs/cgroup'),
    '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory pids\n',
    '/proc/swaps': '',
  });
  const layout = cgroupLayout(host);
  expect(layout).toMatchObject({ version: 'v2', swapLimit: true });
  expect([...layout.controllers.keys()]).toEqual(['cpuset', 'cpu', 'io', 'memory', 'pids']);
});

it('knows v1, with and without swap accounting', () => {
  const mountinfo = [v1('memory'), v1('cpu,cpuacct'), v1('pids')].join('\n');
  const layout = cgroupLayout(files({ '/proc/self/mountinfo': mountinfo }));
  expect(layout).toMatchObject({ version: 'v1', swapLimit: false });
  expect(layout.controllers.get('cpuacct')).toBe('/sys/fs/cgroup/cpu,cpuacct');
  const swap = '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes';
  expect(cgroupLayout(files({ '/proc/self/mountinfo': mountinfo, [swap]: '' })).swapLimit).toBe(true);
});

it('knows a hybrid, and what its v2 side still holds', () => {
  const mountinfo = [v1('memory'), unified('/sys/fs/cgroup/unified')].join('\n');
  const controllers = '/sys/fs/cgroup/unified/cgroup.controllers';
  expect(
    cgroupLayout(files({ '/proc/self/mountinfo': mountinfo, [controllers]: 'hugetlb\n' })),
  ).toMatchObject({
    version: 'hybrid',
    unified: { path: '/sys/fs/cgroup/unified', controllers: ['hugetlb'] },
  });
  expect(
    cgroupLayout(files({ '/proc/self/mountinfo': mountinfo, [controllers]: '\n' })).unified?.controllers,
  ).toEqual([]);
});
