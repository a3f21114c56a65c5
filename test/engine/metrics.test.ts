import { expect, it } from 'vitest';
import { metricsText, serveMetrics } from '../../src/engine/metrics.js';
import { type ContainerStats, usageOf } from '../../src/engine/stats.js';
import type { Sample } from '../../src/supervisor/sample.js';

const sample: Sample = {
  id: 'a1',
  pid: 42,
  at: 0,
  cpu: { usage: 2.5e9, user: 2e9, kernel: 5e8, periods: 25, throttledPeriods: 20, throttledTime: 1e9 },
  memory: { usage: 300, inactiveFile: 100, limit: 500, peak: 320, oomKills: 1 },
  io: { read: 7, written: 8 },
  pids: { current: 3, limit: 100, peak: 4 },
  network: { received: 1320, sent: 98 },
  system: { usage: 1e12, cpus: 2 },
};
const known = { id: 'a1', name: 'calm "h"', image: 'redis\\x', asked: 'a1' };
const containers: ContainerStats[] = [
  { ...known, state: 'sampled', usage: usageOf(sample), sample },
  { ...known, id: 'b2', state: 'stopped', usage: usageOf(sample) },
];

it("has cAdvisor's names, types and escaped labels, of sampled containers", () => {
  const text = metricsText(containers);
  const labels = '{id="a1",name="calm \\"h\\"",image="redis\\\\x"}';
  for (const line of [
    `container_cpu_usage_seconds_total${labels} 2.5`,
    `container_cpu_cfs_throttled_seconds_total${labels} 1`,
    `container_memory_usage_bytes${labels} 300`,
    `container_memory_working_set_bytes${labels} 200`,
    `container_oom_events_total${labels} 1`,
    `container_network_receive_bytes_total${labels} 1320`,
    `container_fs_writes_bytes_total${labels} 8`,
    '# TYPE container_oom_events_total counter',
    '# TYPE container_threads gauge',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  expect(text).not.toContain('b2');
});

it('is served, of the moment', async () => {
  let current: readonly ContainerStats[] = [];
  const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => current);
  try {
    const get = (path: string, method = 'GET') => fetch(`http://${server.address}${path}`, { method });
    expect(await (await get('/metrics')).text()).not.toContain('a1');
    current = containers;
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toBe(metricsText(containers));
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics', 'POST')).status).toBe(405);
    const port = Number(server.address.split(':')[1]);
    await expect(serveMetrics({ host: '127.0.0.1', port }, () => [])).rejects.toThrow('EADDRINUSE');
  } finally {
    server.close();
  }
});
