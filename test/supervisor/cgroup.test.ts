import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cgroup, type CgroupDirectories } from '../../src/supervisor/cgroup/cgroup.js';
import { KernelText, UNLIMITED } from '../../src/supervisor/kernel-text.js';
import { FakeKernel, MIB } from './fake-kernel.js';

let kernel: FakeKernel;
beforeEach(() => {
  kernel = new FakeKernel();
});
afterEach(() => kernel.close());

const read = (at: CgroupDirectories) => {
  const cgroup = Cgroup.open(at);
  try {
    return cgroup?.read(new KernelText());
  } finally {
    cgroup?.close();
  }
};

function v1(): CgroupDirectories {
  const files = {
    'cpuacct/cpuacct.usage': '2500000000\n',
    'cpuacct/cpuacct.stat': 'user 200\nsystem 50\n',
    'cpu/cpu.stat': 'nr_periods 25\nnr_throttled 20\nthrottled_time 1000000000\nnr_bursts 0\n',
    'memory/memory.usage_in_bytes': `${200 * MIB}\n`,
    'memory/memory.limit_in_bytes': `${500 * MIB}\n`,
    'memory/memory.max_usage_in_bytes': `${220 * MIB}\n`,
    'memory/memory.stat': `cache 1\ninactive_file 1\ntotal_cache 2\ntotal_inactive_file ${80 * MIB}\n`,
    'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
    'blkio/blkio.throttle.io_service_bytes_recursive':
      '8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 5\n8:0 Total 12288\n8:16 Read 1\n8:16 Write 2\nTotal 12291\n',
    'pids/pids.current': '7\n',
    'pids/pids.max': '100\n',
    'pids/pids.peak': '9\n',
  };
  for (const [name, text] of Object.entries(files)) kernel.set(name, text);
  const at = (name: string) => kernel.at(name);
  return {
    cpuacct: at('cpuacct'),
    cpu: at('cpu'),
    memory: at('memory'),
    blkio: at('blkio'),
    pids: at('pids'),
  };
}

const V1_USE = {
  cpu: {
    usage: 2.5e9,
    user: 2e9,
    kernel: 5e8,
    periods: 25,
    throttledPeriods: 20,
    throttledTime: 1e9,
  },
  memory: { usage: 200 * MIB, inactiveFile: 80 * MIB, limit: 500 * MIB, peak: 220 * MIB, oomKills: 2 },
  io: { read: 4097, written: 8194 },
  pids: { current: 7, limit: 100, peak: 9 },
};

describe('v1', () => {
  it('is read', () => expect(read(v1())).toEqual(V1_USE));

  it('knows no limit in pages of 4 and 64 KiB, and older kernels', () => {
    const at = v1();
    for (const limit of ['9223372036854771712', '9223372036854710272']) {
      kernel.set('memory/memory.limit_in_bytes', `${limit}\n`);
      expect(read(at)?.memory.limit).toBe(UNLIMITED);
    }
    kernel.set('memory/memory.oom_control', 'oom_kill_disable 0\nunder_oom 1\n');
    kernel.remove('blkio/blkio.throttle.io_service_bytes_recursive');
    kernel.set('blkio/blkio.throttle.io_service_bytes', '8:0 Read 5\nTotal 5\n');
    kernel.remove('pids/pids.peak');
    expect(read(at)).toMatchObject({
      memory: { oomKills: 1 },
      io: { read: 5, written: 0 },
      pids: { peak: undefined },
    });
  });

  it('counts nothing for controllers that are not mounted', () => {
    expect(read({ cpuacct: v1().cpuacct! })).toEqual({
      cpu: { ...V1_USE.cpu, periods: 0, throttledPeriods: 0, throttledTime: 0 },
      memory: { usage: 0, inactiveFile: 0, limit: 0, peak: undefined, oomKills: 0 },
      io: { read: 0, written: 0 },
      pids: { current: 0, limit: UNLIMITED, peak: undefined },
    });
  });
});

describe('v2', () => {
  it('is read', () => {
    kernel.v2('c', 2.5, 1);
    kernel.set(
      'c/cpu.stat',
      'usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 25\nnr_throttled 20\nthrottled_usec 1000000\n',
    );
    kernel.set('c/memory.max', `${500 * MIB}\n`);
    kernel.set('c/memory.peak', `${60 * MIB}\n`);
    kernel.set('c/pids.max', '100\n');
    kernel.set('c/pids.peak', '9\n');
    kernel.set(
      'c/io.stat',
      '8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n253:0 \n8:16 rbytes=1 wbytes=2\n',
    );
    expect(read({ unified: kernel.at('c') })).toEqual({
      cpu: V1_USE.cpu,
      memory: { usage: 50 * MIB, inactiveFile: 10 * MIB, limit: 500 * MIB, peak: 60 * MIB, oomKills: 1 },
      io: { read: 101, written: 202 },
      pids: { current: 3, limit: 100, peak: 9 },
    });
  });

  it('may have no limits, no peaks, no controllers', () => {
    kernel.v2('c', 1);
    expect(read({ unified: kernel.at('c') })).toMatchObject({
      memory: { limit: UNLIMITED, peak: undefined },
      pids: { limit: UNLIMITED, peak: undefined },
    });
    for (const name of ['memory.current', 'io.stat', 'pids.current']) kernel.remove('c', name);
    expect(read({ unified: kernel.at('c') })).toMatchObject({
      cpu: { usage: 1e9 },
      memory: { usage: 0, limit: 0 },
      io: { read: 0 },
      pids: { current: 0 },
    });
  });
});

describe('hybrid', () => {
  it('has v1 first, and v2 for the rest', () => {
    kernel.v2('c', 9);
    const { cpuacct, cpu, memory } = v1() as Required<CgroupDirectories>;
    expect(read({ cpuacct, cpu, memory, unified: kernel.at('c') })).toMatchObject({
      cpu: { usage: 2.5e9 },
      memory: { usage: 200 * MIB },
      io: { read: 100 },
      pids: { current: 3 },
    });
  });
});

it('a cgroup that is gone is none', () => {
  expect(Cgroup.open({ unified: kernel.at('gone') })).toBeUndefined();
  expect(Cgroup.open({ memory: kernel.at('gone'), cpuacct: kernel.at('gone') })).toBeUndefined();
});

describe('a malformed line is an error that names the file', () => {
  it.each([
    ['cpuacct/cpuacct.usage', 'much\n'],
    ['cpuacct/cpuacct.stat', 'user -\n'],
    ['cpu/cpu.stat', 'nr_periods\n'],
    ['memory/memory.usage_in_bytes', '\n'],
    ['memory/memory.stat', 'total_inactive_file 1k\n'],
    ['memory/memory.oom_control', 'oom_kill yes\n'],
    ['blkio/blkio.throttle.io_service_bytes_recursive', '8:0 Read\n'],
    ['pids/pids.current', 'x\n'],
  ])('v1 %s', (name, text) => {
    const at = v1();
    kernel.set(name, text);
    expect(() => read(at)).toThrow(`${kernel.at(name)}: expected a number`);
  });

  it.each([
    ['cpu.stat', 'user_usec 1\n', 'a line "usage_usec"'],
    ['memory.current', 'max5\n', 'a number'],
    ['memory.stat', 'anon 1\n', 'a line "inactive_file"'],
    ['memory.events', 'oom 1\n', 'a line "oom_kill"'],
    ['io.stat', '8:0 rbytes=x\n', 'a number'],
    ['io.stat', '8:0 rbytes= wbytes=1\n', 'a number'],
    ['pids.max', 'maxi\n', 'a number'],
  ])('v2 %s', (name, text, expected) => {
    kernel.v2('c', 1);
    kernel.set(`c/${name}`, text);
    expect(() => read({ unified: kernel.at('c') })).toThrow(`${kernel.at('c', name)}: expected ${expected}`);
  });
});
