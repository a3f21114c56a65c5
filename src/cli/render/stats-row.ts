/**
 * A container's figures in docker's words, and as plain numbers in CSV:
 *
 *   CONTAINER ID   NAME               CPU %     MEM USAGE / LIMIT     MEM %     NET I/O       BLOCK I/O   PIDS
 *   6180a4fd4a11   heuristic_newton   0.00%     9.508MiB / 19.44GiB   0.05%     1.32kB / 0B   0B / 0B     13
 */
import { shortID } from '../../core/digest/digest.js';
import type { ContainerStats } from '../../engine/stats.js';
import type { Row } from './list.js';
import { bytesSize, humanSize } from './units.js';

export const STATS_HEADERS = {
  Timestamp: 'TIMESTAMP',
  Container: 'CONTAINER',
  ID: 'CONTAINER ID',
  Name: 'NAME',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
};

export interface StatsRowOptions {
  readonly trunc: boolean;
  /** The moment to write beside each row, in milliseconds since the epoch. */
  readonly timestamp?: number;
}

/** The usual table's columns. */
export const statsColumns = (timestamp: boolean): string[] => [
  ...(timestamp ? ['Timestamp'] : []),
  ...['ID', 'Name', 'CPUPerc', 'MemUsage', 'MemPerc', 'NetIO', 'BlockIO', 'PIDs'],
];

const percent = (value: number): string => `${value.toFixed(2)}%`;
const pair = (a: number, b: number, size: (bytes: number) => string): string => `${size(a)} / ${size(b)}`;
const decimal = (bytes: number): string => humanSize(bytes, 3);

export function statsRow(container: ContainerStats, { trunc, timestamp }: StatsRowOptions): Row {
  const { id, name, asked, state, usage } = container;
  const shown = trunc ? shortID(id) : id;
  const unknown = state === 'waiting';
  return {
    ...(timestamp === undefined ? {} : { Timestamp: new Date(timestamp).toISOString() }),
    Container: asked === id ? shown : asked,
    ID: shown,
    Name: name,
    CPUPerc: unknown ? '--' : percent(usage.cpuPercent),
    MemUsage: unknown ? '-- / --' : pair(usage.memory, usage.memoryLimit, bytesSize),
    MemPerc: unknown ? '--' : percent(usage.memoryPercent),
    NetIO: unknown ? '--' : pair(usage.netReceived, usage.netSent, decimal),
    BlockIO: unknown ? '--' : pair(usage.blockRead, usage.blockWritten, decimal),
    PIDs: unknown ? '--' : String(usage.pids),
  };
}

const CSV_COLUMNS = [
  ...['id', 'name', 'cpu_percent', 'memory_bytes', 'memory_limit_bytes', 'memory_percent'],
  ...['net_received_bytes', 'net_sent_bytes', 'block_read_bytes', 'block_written_bytes', 'pids'],
];

/** The line of names above the numbers. */
export const csvHeader = (timestamp: boolean): string =>
  `${[...(timestamp ? ['timestamp'] : []), ...CSV_COLUMNS].join(',')}\n`;

/** No value needs quotes: ids, names and numbers hold no comma. Numbers that are not known are left out. */
export function csvLine(
  { id, name, state, usage }: ContainerStats,
  { trunc, timestamp }: StatsRowOptions,
): string {
  const { cpuPercent, memory, memoryLimit, memoryPercent, ...counts } = usage;
  const { netReceived, netSent, blockRead, blockWritten, pids } = counts;
  const numbers = [
    ...[cpuPercent.toFixed(2), memory, memoryLimit, memoryPercent.toFixed(2)],
    ...[netReceived, netSent, blockRead, blockWritten, pids],
  ];
  const known = state === 'waiting' ? numbers.map(() => '') : numbers;
  const when = timestamp === undefined ? [] : [new Date(timestamp).toISOString()];
  return `${[...when, trunc ? shortID(id) : id, name, ...known].join(',')}\n`;
}
