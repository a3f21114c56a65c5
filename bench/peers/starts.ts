/**
 * Start latency: `run --rm redis true` as a whole command, on no network or on the default bridge, of gantry and of each peer on a
 * store of its own that has the image already, daemons running. Tools take turns, so that a noisy moment hits all alike. The CPU of
 * a daemon counts, since it works for the command.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../../test/helpers/registry-fixture.js';
import { markdownTable, median } from '../harness/report.js';
import { benchDir, ensureImage } from '../images/build.js';
import { type Measured, Meter } from './meter.js';
import type { ToolResult } from './peers.js';
import { installed, type Run, TOOLS, type Tool } from './tools.js';

export interface StartsOptions {
  readonly runs: number;
  /** Names of TOOLS; all that are installed when undefined. */
  readonly tools?: readonly string[];
  readonly network: 'none' | 'bridge';
  readonly log: (line: string) => void;
}

type Starter = Tool & Required<Pick<Tool, 'start'>>;

export async function compareStarts(options: StartsOptions): Promise<ToolResult[]> {
  const tools = TOOLS.filter(
    (tool): tool is Starter =>
      tool.start !== undefined &&
      (options.network === 'none' || tool.name !== 'containerd') && // ctr has no network of its own
      (options.tools?.includes(tool.name) ?? true) &&
      installed(tool),
  );
  const image = await ensureImage('redis', options.log);
  const root = mkdtempSync(join(benchDir(), 'starts-'));
  const registry = await startRegistry({ dir: join(benchDir(), 'registry') });
  const undo: (() => unknown)[] = [() => registry.stop({ keep: true })];
  try {
    const reference = await registry.push(image, 'redis');
    const runs: Run[] = [];
    for (const tool of tools) {
      const dir = join(root, tool.name);
      mkdirSync(dir);
      const run = {
        dir,
        reference,
        network: options.network,
        meter: new Meter(`gantry-bench-${process.pid}-${tool.name}`),
      };
      undo.push(() => run.meter.close());
      const stop = await tool.prepare?.(run);
      if (stop !== undefined) undo.push(stop);
      await run.meter.measure(tool.command(run));
      await run.meter.measure(tool.start(run)); // what is made once for all starts
      runs.push(run);
    }
    const results = tools.map((tool) => ({
      tool: tool.name,
      version: tool.version(),
      runs: [] as Measured[],
    }));
    for (let round = 0; round < options.runs; round++) {
      for (const [index, tool] of tools.entries()) {
        const run = runs[index]!;
        results[index]!.runs.push(await run.meter.measure(tool.start(run)));
      }
      options.log(`start ${round + 1}/${options.runs}`);
    }
    return results;
  } finally {
    for (const step of undo.reverse()) await step();
    rmSync(root, { recursive: true, force: true });
  }
}

/** Medians with (min–max) in milliseconds, and their ratio to gantry's. */
export function startsTable(results: readonly ToolResult[]): string {
  const ms = (result: ToolResult, key: 'wall' | 'cpu'): number[] => result.runs.map((run) => run[key] * 1000);
  const cell = (values: number[]): string =>
    `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)})`;
  const gantry = results.find(({ tool }) => tool === 'gantry');
  const ratio = (result: ToolResult): string =>
    gantry === undefined ? '–' : (median(ms(result, 'wall')) / median(ms(gantry, 'wall'))).toFixed(2);
  return markdownTable(
    ['tool', 'wall ms', 'CPU ms', "wall / gantry's"],
    results.map((result) => [
      `${result.tool} ${result.version}`,
      cell(ms(result, 'wall')),
      cell(ms(result, 'cpu')),
      ratio(result),
    ]),
  );
}
