/**
 * A suite is a list of cases that do the same amount of work in different ways, measured by tinybench and shown as
 * time and throughput, and how each compares with the first of its group.
 */
import { Bench } from 'tinybench';
import { markdownTable } from './report.js';

export interface Case {
  /** "sha256 wasm"; cases with the same `group` are compared. */
  readonly name: string;
  readonly group: string;
  /** What one call of `run` works through. */
  readonly bytes: number;
  readonly run: () => unknown;
  /** Before each call, not measured. */
  readonly before?: () => void;
}

export interface Suite {
  readonly cases: readonly Case[];
  /** Milliseconds a case is measured for, after as long a warm-up divided by five. */
  readonly time?: number;
  /** Instead: so many calls of each case, without warm-up. For what takes seconds. */
  readonly runs?: number;
  readonly close?: () => unknown;
}

export interface SuiteRow {
  readonly name: string;
  readonly group: string;
  readonly bytes: number;
  readonly samples: number;
  /** Milliseconds. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly bytesPerSecond: number;
}

export async function runSuite(suite: Suite): Promise<{ table: string; rows: SuiteRow[] }> {
  const time = suite.time ?? 1000;
  const bench = new Bench(
    suite.runs === undefined
      ? { time, warmupTime: time / 5, iterations: 3, warmupIterations: 1, throws: true }
      : { time: 0, iterations: suite.runs, warmup: false, throws: true },
  );
  for (const { name, run, before } of suite.cases) {
    bench.add(name, run, before === undefined ? {} : { beforeEach: before });
  }
  try {
    await bench.run();
  } finally {
    await suite.close?.();
  }
  const rows = suite.cases.map((item): SuiteRow => {
    const result = bench.getTask(item.name)?.result;
    if (result === undefined || !('latency' in result)) throw new Error(`${item.name}: no result`);
    const { p50, min, max, samplesCount } = result.latency;
    return {
      name: item.name,
      group: item.group,
      bytes: item.bytes,
      samples: samplesCount,
      median: p50,
      min,
      max,
      bytesPerSecond: item.bytes / (p50 / 1000),
    };
  });
  const table = rows.map((row) => {
    const first = rows.find((other) => other.group === row.group)!;
    return [
      row.name,
      row.median.toFixed(2),
      `${row.min.toFixed(2)}–${row.max.toFixed(2)}`,
      row.bytes === 0 ? '–' : (row.bytesPerSecond / 1e6).toFixed(0),
      (first.median / row.median).toFixed(2),
    ];
  });
  return {
    table: markdownTable(['case', 'median ms', 'min–max', 'MB/s', 'speed / first of group'], table),
    rows,
  };
}
