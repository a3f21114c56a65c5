import { describe, expect, it } from 'vitest';
import { renderList } from '../../src/cli/render/list.js';
import { csvHeader, csvLine, STATS_HEADERS, statsColumns, statsRow } from '../../src/cli/render/stats-row.js';
import type { ContainerStats } from '../../src/engine/stats.js';
import { runCli } from '../helpers/cli-run.js';

const id = `6180a4fd4a11${'0'.repeat(52)}`;
const container: ContainerStats = {
  id,
  name: 'heuristic_newton',
  image: 'redis',
  asked: id,
  state: 'sampled',
  usage: {
    cpuPercent: 0.004,
    memory: 9_969_860,
    memoryLimit: 19.44 * 1024 ** 3,
    memoryPercent: 0.0478,
    netReceived: 1320,
    netSent: 0,
    blockRead: 0,
    blockWritten: 0,
    pids: 13,
  },
};
const render = (containers: readonly ContainerStats[], format?: string, trunc = true) =>
  renderList(
    containers.map((one) => statsRow(one, { trunc })),
    { headers: STATS_HEADERS, columns: statsColumns(false), format },
  );

describe('stats', () => {
  it("as docker's table", () => {
    expect(render([container])).toBe(
      `CONTAINER ID   NAME               CPU %     MEM USAGE / LIMIT     MEM %     NET I/O       BLOCK I/O   PIDS
6180a4fd4a11   heuristic_newton   0.00%     9.508MiB / 19.44GiB   0.05%     1.32kB / 0B   0B / 0B     13
`,
    );
  });

  it("as docker's JSON, with sorted keys", () => {
    expect(render([container], 'json')).toBe(
      '{"BlockIO":"0B / 0B","CPUPerc":"0.00%","Container":"6180a4fd4a11","ID":"6180a4fd4a11","MemPerc":"0.05%",' +
        '"MemUsage":"9.508MiB / 19.44GiB","Name":"heuristic_newton","NetIO":"1.32kB / 0B","PIDs":"13"}\n',
    );
  });

  it('as a template, with the whole id and the name that was asked for', () => {
    const format = 'table {{.Container}}\\t{{.ID}}';
    expect(render([{ ...container, asked: 'newton' }], format, false)).toBe(
      `CONTAINER   CONTAINER ID\nnewton      ${id}\n`,
    );
  });

  it('without a sample yet', () => {
    expect(render([{ ...container, state: 'waiting' }]).split('\n')[1]).toMatch(
      / {3}-- {8}-- \/ -- {13}-- {8}-- {8}-- {10}--$/,
    );
  });

  it('as CSV, in plain numbers', () => {
    const options = { trunc: true, timestamp: Date.parse('2026-11-21T22:39:52.941Z') };
    const shown =
      csvHeader(true) + csvLine({ ...container, usage: { ...container.usage, memoryLimit: 5 } }, options);
    expect(shown).toBe(
      'timestamp,id,name,cpu_percent,memory_bytes,memory_limit_bytes,memory_percent,net_received_bytes,net_sent_bytes,block_read_bytes,block_written_bytes,pids\n' +
        '2026-11-21T22:39:52.941Z,6180a4fd4a11,heuristic_newton,0.00,9969860,5,0.05,1320,0,0,0,13\n',
    );
    expect(csvLine({ ...container, state: 'waiting' }, { trunc: true })).toBe(
      '6180a4fd4a11,heuristic_newton,,,,,,,,,\n',
    );
  });
});

describe('flags', () => {
  it.each([
    [['--count', '0'], 'expected a number from 1 on'],
    [['--interval', '5'], 'expected a duration from 10ms on'],
    [['--interval', '1ms'], 'expected a duration from 10ms on'],
    [['--metrics', 'redis'], 'expected HOST:PORT'],
  ])('%j', async (args, message) => {
    const { err, code } = await runCli('/nonexistent', 'stats', ...args);
    expect(err).toContain(message);
    expect(code).toBe(125);
  });
});
