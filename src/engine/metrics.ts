/**
 * Containers' figures for Prometheus, under cAdvisor's names, so that dashboards made for it show them:
 *
 *   # HELP container_memory_working_set_bytes Memory in use, without page cache that can be dropped.
 *   # TYPE container_memory_working_set_bytes gauge
 *   container_memory_working_set_bytes{id="6180…",name="calm_hopper",image="redis:latest"} 9969860
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { memoryUsed } from '../supervisor/formulas.js';
import type { Sample } from '../supervisor/sample.js';
import type { ContainerStats } from './stats.js';

const SECOND = 1e9;

/** What ends in `_total` is a counter, the others are gauges. */
const METRICS: readonly (readonly [name: string, help: string, value: (sample: Sample) => number])[] = [
  ['cpu_usage_seconds_total', 'CPU time used.', ({ cpu }) => cpu.usage / SECOND],
  ['cpu_user_seconds_total', 'CPU time used in user mode.', ({ cpu }) => cpu.user / SECOND],
  ['cpu_system_seconds_total', 'CPU time used in the kernel.', ({ cpu }) => cpu.kernel / SECOND],
  ['cpu_cfs_periods_total', 'Periods of the CPU quota.', ({ cpu }) => cpu.periods],
  [
    'cpu_cfs_throttled_periods_total',
    'Periods in which the quota ran out.',
    ({ cpu }) => cpu.throttledPeriods,
  ],
  [
    'cpu_cfs_throttled_seconds_total',
    'Time spent waiting for quota.',
    ({ cpu }) => cpu.throttledTime / SECOND,
  ],
  ['memory_usage_bytes', 'Memory in use, with page cache.', ({ memory }) => memory.usage],
  [
    'memory_working_set_bytes',
    'Memory in use, without page cache that can be dropped.',
    ({ memory }) => memoryUsed(memory),
  ],
  ['spec_memory_limit_bytes', "Memory limit, at most the host's memory.", ({ memory }) => memory.limit],
  ['oom_events_total', 'Processes killed for want of memory.', ({ memory }) => memory.oomKills],
  ['network_receive_bytes_total', 'Bytes received.', ({ network }) => network.received],
  ['network_transmit_bytes_total', 'Bytes sent.', ({ network }) => network.sent],
  ['fs_reads_bytes_total', 'Bytes read from block devices.', ({ io }) => io.read],
  ['fs_writes_bytes_total', 'Bytes written to block devices.', ({ io }) => io.written],
  ['threads', 'Processes and threads.', ({ pids }) => pids.current],
];

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };
const quoted = (value: string): string => `"${value.replace(/[\\"\n]/g, (char) => ESCAPES[char]!)}"`;

/** Prometheus' text format 0.0.4, of the containers that have a sample. */
export function metricsText(containers: readonly ContainerStats[]): string {
  const sampled = containers.flatMap(({ id, name, image, sample }) =>
    sample === undefined
      ? []
      : [{ labels: `{id=${quoted(id)},name=${quoted(name)},image=${quoted(image)}}`, sample }],
  );
  return METRICS.map(([suffix, help, value]) => {
    const name = `container_${suffix}`;
    const lines = sampled.map(({ labels, sample }) => `${name}${labels} ${value(sample)}\n`);
    const type = suffix.endsWith('_total') ? 'counter' : 'gauge';
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
  }).join('');
}

export interface MetricsServer {
  /** "127.0.0.1:9323" */
  readonly address: string;
  close(): void;
}

/** Serves `GET /metrics`: of each moment what `current` gives. Rejects with the system's error, EADDRINUSE for one. */
export async function serveMetrics(
  listen: { readonly host: string; readonly port: number },
  current: () => readonly ContainerStats[],
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') response.writeHead(404).end('see /metrics\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end();
    else {
      response.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8');
      response.end(metricsText(current()));
    }
  });
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  const { address, family, port } = server.address() as AddressInfo;
  return {
    address: `${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
