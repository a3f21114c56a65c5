/**
 * An image handed on as an lz4 archive: saved to a file from a store that has it, and loaded into a fresh store; gantry
 * by itself, docker and podman through the lz4 tool. Tools take turns; the CPU of pipes and daemons counts. Stores are
 * removed at the end only (DESIGN §4).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../../test/helpers/registry-fixture.js';
import { markdownTable, median } from '../harness/report.js';
import { benchDir, ensureImage } from '../images/build.js';
import type { ImageName } from '../images/recipes.js';
import { type Measured, Meter } from './meter.js';
import { installed, type Run, TOOLS, type Tool } from './tools.js';

export interface ArchivesOptions {
  readonly image: ImageName;
  readonly runs: number;
  /** Names of TOOLS; all that are installed when undefined. */
  readonly tools?: readonly string[] | undefined;
  readonly log: (line: string) => void;
}

export interface ArchiveResult {
  readonly tool: string;
  readonly version: string;
  readonly save: readonly Measured[];
  readonly load: readonly Measured[];
  readonly bytes: number;
}

type Archiver = Tool & Required<Pick<Tool, 'archive'>>;

export async function compareArchives(options: ArchivesOptions): Promise<ArchiveResult[]> {
  const tools = TOOLS.filter(
    (tool): tool is Archiver =>
      tool.archive !== undefined && (options.tools?.includes(tool.name) ?? true) && installed(tool),
  );
  const image = await ensureImage(options.image, options.log);
  const root = mkdtempSync(join(benchDir(), 'archives-'));
  const registry = await startRegistry({ dir: join(benchDir(), 'registry') });
  const undo: (() => unknown)[] = [() => registry.stop({ keep: true })];
  try {
    const reference = await registry.push(image, options.image);
    /** A store of its own, with the tool's daemon where it has one. */
    const ready = async (tool: Tool, name: string): Promise<Run> => {
      const dir = join(root, name);
      mkdirSync(dir);
      const run = { dir, reference, meter: new Meter(`gantry-bench-${process.pid}-${name}`) };
      undo.push(() => run.meter.close());
      const stop = await tool.prepare?.(run);
      if (stop !== undefined) undo.push(stop);
      return run;
    };
    const from: Run[] = [];
    for (const tool of tools) {
      const run = await ready(tool, tool.name);
      await run.meter.measure(tool.command(run));
      from.push(run);
    }
    const results = tools.map((tool) => ({
      ...{ tool: tool.name, version: tool.version(), bytes: 0 },
      ...{ save: [] as Measured[], load: [] as Measured[] },
    }));
    for (let round = 0; round < options.runs; round++) {
      for (const [index, tool] of tools.entries()) {
        const result = results[index]!;
        const file = join(root, `${tool.name}-${round}.tar.lz4`);
        const to = await ready(tool, `${tool.name}-${round}`);
        execFileSync('sync');
        result.save.push(await from[index]!.meter.measure(tool.archive.save(from[index]!, file)));
        execFileSync('sync');
        result.load.push(await to.meter.measure(tool.archive.load(to, file)));
        result.bytes = statSync(file).size;
      }
      options.log(`save and load ${round + 1}/${options.runs}`);
    }
    return results;
  } finally {
    for (const step of undo.reverse()) await step();
    rmSync(root, { recursive: true, force: true });
  }
}

/** Medians with (min–max) in seconds. */
export function archivesTable(results: readonly ArchiveResult[]): string {
  const cell = (runs: readonly Measured[], key: 'wall' | 'cpu'): string => {
    const values = runs.map((run) => run[key]);
    return `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})`;
  };
  return markdownTable(
    ['tool', 'save wall s', 'save CPU s', 'load wall s', 'load CPU s', 'archive MB'],
    results.map(({ tool, version, save, load, bytes }) => [
      `${tool} ${version}`,
      ...[cell(save, 'wall'), cell(save, 'cpu'), cell(load, 'wall'), cell(load, 'cpu')],
      (bytes / 1e6).toFixed(0),
    ]),
  );
}
