/**
 * Many containers at once: `run -d … sleep` as whole commands, four under way at a time, of gantry and of podman on
 * stores of their own; what the shims take while all run; `rm -f` of all by one command, and what is left then.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRegistry } from '../../test/helpers/registry-fixture.js';
import { markdownTable } from '../harness/report.js';
import { benchDir, ensureImage } from '../images/build.js';
import { Meter } from './meter.js';
import { installed, type Run, TOOLS, type Tool } from './tools.js';

const AT_A_TIME = 4;
/** For shims that write their last words. */
const SETTLE_MS = 500;

export interface ManyOptions {
  readonly count: number;
  readonly tools?: readonly string[];
  readonly log: (line: string) => void;
}

export interface ManyResult {
  readonly tool: string;
  readonly version: string;
  readonly count: number;
  /** Seconds for all. */
  readonly start: number;
  readonly remove: number;
  /** Bytes of one shim, proportional and private. */
  readonly shim: { readonly proportional: number; readonly private: number };
  /** Mounts, control groups and processes that are still there. */
  readonly left: number;
}

type Starter = Tool & Required<Pick<Tool, 'background'>>;

export async function compareMany(options: ManyOptions): Promise<ManyResult[]> {
  const tools = TOOLS.filter(
    (tool): tool is Starter =>
      tool.background !== undefined && (options.tools?.includes(tool.name) ?? true) && installed(tool),
  );
  const image = await ensureImage('redis', options.log);
  const root = mkdtempSync(join(benchDir(), 'many-'));
  const registry = await startRegistry({ dir: join(benchDir(), 'registry') });
  try {
    const reference = await registry.push(image, 'redis');
    const results: ManyResult[] = [];
    for (const tool of tools) {
      const dir = join(root, tool.name);
      mkdirSync(dir);
      const run = { dir, reference, meter: new Meter(`gantry-bench-${process.pid}-${tool.name}`) };
      results.push(await measure(tool, run, options));
      await run.meter.close();
    }
    return results;
  } finally {
    await registry.stop({ keep: true });
    rmSync(root, { recursive: true, force: true });
  }
}

async function measure(tool: Starter, run: Run, { count, log }: ManyOptions): Promise<ManyResult> {
  const { start, remove } = tool.background;
  const stop = await tool.prepare?.(run);
  await run.meter.measure(tool.command(run));
  const ids: string[] = [];
  const removeAll = (): Promise<string> => run.meter.output(remove(run, ids));
  try {
    let asked = 0;
    const starter = async (): Promise<void> => {
      while (asked++ < count) ids.push(await run.meter.output(start(run)));
    };
    const started = await seconds(() => Promise.all(Array.from({ length: AT_A_TIME }, starter)));
    log(`${tool.name}: ${ids.length} run after ${started.toFixed(1)} s`);
    const shim = shimMemory(ids);
    const removed = await seconds(removeAll);
    await sleep(SETTLE_MS);
    const measured = { tool: tool.name, version: tool.version(), count, shim };
    return { ...measured, start: started, remove: removed, left: leftOf(ids) };
  } catch (error) {
    if (ids.length > 0) await removeAll().catch(() => {});
    throw error;
  } finally {
    await stop?.();
  }
}

async function seconds(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return (performance.now() - began) / 1000;
}

/** Of one conmon, on average. */
function shimMemory(ids: readonly string[]): ManyResult['shim'] {
  const shims = processes().filter(
    ({ words }) => words[0]?.endsWith('conmon') && words.some((word) => ids.includes(word)),
  );
  if (shims.length !== ids.length) throw new Error(`expected ${ids.length} shims, found ${shims.length}`);
  const bytes = (field: string): number =>
    shims.reduce((sum, { pid }) => sum + rollup(pid, field), 0) / shims.length;
  return { proportional: bytes('Pss'), private: bytes('Private_Clean') + bytes('Private_Dirty') };
}

function processes(): { readonly pid: string; readonly words: readonly string[] }[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid)
        ? [{ pid, words: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') }]
        : [];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

/** A line of smaps_rollup, in bytes. */
function rollup(pid: string, field: string): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return 1024 * Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
}

function leftOf(ids: readonly string[]): number {
  const has = (text: string): boolean => ids.some((id) => text.includes(id));
  const cgroups = execFileSync('find', ['/sys/fs/cgroup', '-type', 'd'], { encoding: 'utf8' }).split('\n');
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return [...cgroups, ...mounts, ...processes().map(({ words }) => words.join(' '))].filter(has).length;
}

/** One row a tool, with its ratios to gantry's. */
export function manyTable(results: readonly ManyResult[]): string {
  const gantry = results.find(({ tool }) => tool === 'gantry');
  const beside = (value: number, ours: number | undefined): string =>
    ours === undefined ? '' : ` (${(value / ours).toFixed(2)})`;
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(2);
  return markdownTable(
    ['tool', 'containers/s', 'shim PSS MiB', 'private MiB', 'rm -f of all, s', 'left'],
    results.map(({ tool, version, count, start, remove, shim, left }) => [
      `${tool} ${version}`,
      `${(count / start).toFixed(1)}${beside(count / start, gantry && gantry.count / gantry.start)}`,
      `${mib(shim.proportional)}${beside(shim.proportional, gantry?.shim.proportional)}`,
      mib(shim.private),
      `${remove.toFixed(1)}${beside(remove, gantry?.remove)}`,
      String(left),
    ]),
  );
}
