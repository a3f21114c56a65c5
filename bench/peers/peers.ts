/**
 * Cold pull and unpack of the real images from a local docker-registry, tools taking turns (A B C A B C) so that a
 * noisy minute hits all alike. Every run has a fresh store; the page cache stays warm; dirty pages are synced
 * before each. Stores are removed only at the end: ext4 skips freed inodes for up to 35 s, which would make the
 * next run slower (DESIGN §4).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RegistryFixture, startRegistry } from '../../test/helpers/registry-fixture.js';
import { markdownTable, median } from '../harness/report.js';
import { benchDir, ensureImage, type ImageFacts } from '../images/build.js';
import type { ImageName } from '../images/recipes.js';
import { type Measured, Meter } from './meter.js';
import { installed, TOOLS, type Tool } from './tools.js';

export interface PeersOptions {
  readonly images: readonly ImageName[];
  readonly runs: number;
  /** Names of TOOLS; all that are installed when undefined. */
  readonly tools?: readonly string[];
  readonly log: (line: string) => void;
}

export interface PeersResult {
  readonly image: ImageName;
  readonly layers: number;
  readonly tarBytes: number;
  readonly blobBytes: number;
  readonly entries: number;
  readonly tools: readonly ToolResult[];
}

export interface ToolResult {
  readonly tool: string;
  readonly version: string;
  readonly runs: readonly Measured[];
}

/** Inodes become quickly usable again this long after they were freed. */
const INODE_REST_MS = 40_000;

export async function comparePeers(options: PeersOptions): Promise<PeersResult[]> {
  const tools = TOOLS.filter((tool) => (options.tools?.includes(tool.name) ?? true) && installed(tool));
  const facts: ImageFacts[] = [];
  for (const image of options.images) facts.push(await ensureImage(image, options.log));
  const root = mkdtempSync(join(benchDir(), 'peers-'));
  const registry = await startRegistry({ dir: join(benchDir(), 'registry') });
  try {
    const results: PeersResult[] = [];
    for (const [index, image] of options.images.entries()) {
      results.push(await compareOn(image, facts[index]!, tools, { ...options, registry, root }));
    }
    return results;
  } finally {
    await registry.stop({ keep: true });
    rmSync(root, { recursive: true, force: true });
  }
}

interface Place extends PeersOptions {
  readonly registry: RegistryFixture;
  readonly root: string;
}

async function compareOn(
  image: ImageName,
  facts: ImageFacts,
  tools: readonly Tool[],
  place: Place,
): Promise<PeersResult> {
  const reference = await place.registry.push(facts, image);
  const sum = (key: 'tarSize' | 'size' | 'entries'): number =>
    facts.layers.reduce((total, layer) => total + layer[key], 0);
  await makeRoom(place, 1.6 * sum('tarSize') * tools.length * place.runs);
  const results = tools.map((tool) => ({ tool: tool.name, version: tool.version(), runs: [] as Measured[] }));
  for (let run = 0; run < place.runs; run++) {
    for (const [index, tool] of tools.entries()) {
      const dir = join(place.root, `${image}-${run}-${tool.name}`);
      mkdirSync(dir);
      const measured = await pullOnce(tool, dir, reference);
      results[index]!.runs.push(measured);
      place.log(
        `${image} ${run + 1}/${place.runs} ${tool.name}: wall ${measured.wall.toFixed(2)} s, CPU ${measured.cpu.toFixed(2)} s, memory ${(measured.memory / 1e6).toFixed(0)} MB`,
      );
    }
  }
  return {
    image,
    layers: facts.layers.length,
    tarBytes: sum('tarSize'),
    blobBytes: sum('size'),
    entries: sum('entries'),
    tools: results,
  };
}

async function pullOnce(tool: Tool, dir: string, reference: string): Promise<Measured> {
  const meter = new Meter(`gantry-bench-${process.pid}-${tool.name.replace(/\W/g, '-')}`);
  const run = { dir, reference, meter };
  try {
    const stop = await tool.prepare?.(run);
    try {
      execFileSync('sync');
      return await meter.measure(tool.command(run));
    } finally {
      await stop?.();
    }
  } finally {
    await meter.close();
  }
}

/** Where the disk is too small for all, earlier stores go, and their inodes are given time to rest. */
async function makeRoom(place: Place, bytes: number): Promise<void> {
  const free = (): number => {
    const { bavail, bsize } = statfsSync(place.root);
    return bavail * bsize;
  };
  if (free() > bytes) return;
  place.log('removing the stores of earlier runs to make room');
  rmSync(place.root, { recursive: true, force: true });
  mkdirSync(place.root);
  if (free() < bytes)
    throw new Error(
      `${place.root}: needs ${(bytes / 1e9).toFixed(0)} GB free, found ${(free() / 1e9).toFixed(0)}`,
    );
  await sleep(INODE_REST_MS);
}

/** A table for each image: medians with (min–max), and ratios to the best peer of each column. */
export function peersTable(result: PeersResult): string {
  const column = (tool: ToolResult, key: keyof Measured): number[] => tool.runs.map((run) => run[key]);
  const best = (key: keyof Measured): number =>
    Math.min(
      ...result.tools.filter((tool) => tool.tool !== 'gantry').map((tool) => median(column(tool, key))),
    );
  const [bestWall, bestCpu] = [best('wall'), best('cpu')];
  const cell = (values: number[], scale = 1, digits = 2): string => {
    const [low, high] = [Math.min(...values) / scale, Math.max(...values) / scale];
    const middle = (median(values) / scale).toFixed(digits);
    return values.length === 1 ? middle : `${middle} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
  };
  const ratio = (value: number, to: number): string => (Number.isFinite(to) ? (value / to).toFixed(2) : '–');
  const rows = result.tools.map((tool) => [
    `${tool.tool} ${tool.version}`,
    cell(column(tool, 'wall')),
    cell(column(tool, 'cpu')),
    cell(column(tool, 'memory'), 1e6, 0),
    ratio(median(column(tool, 'wall')), bestWall),
    ratio(median(column(tool, 'cpu')), bestCpu),
  ]);
  const head = ['tool', 'wall s', 'CPU s', 'peak memory MB', 'wall / best peer', 'CPU / best peer'];
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
  const title = `${result.image}: ${result.layers} layers, ${mb(result.tarBytes)} MB unpacked, ${mb(result.blobBytes)} MB compressed, ${result.entries} entries`;
  return `${title}\n\n${markdownTable(head, rows)}\n`;
}
