/**
 * Builds the images of recipes.ts once and keeps them:
 *
 *   $GANTRY_BENCH_DIR (default <tmp>/gantry-bench)/
 *     debs/*.deb                      what apt downloaded
 *     images/<name>-<recipe hash>/    an OCI layout, complete because it was renamed into place, and facts.json
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openApt, packageLayerTar } from './debian.js';
import { type BuiltImage, type BuiltLayer, buildImage, type LayerSource } from './layout.js';
import { type ImageName, RECIPES } from './recipes.js';

export interface ImageFacts extends BuiltImage {
  readonly layers: readonly (BuiltLayer & { readonly entries: number })[];
  readonly buildSeconds: number;
}

export function benchDir(): string {
  const dir = process.env.GANTRY_BENCH_DIR ?? join(tmpdir(), 'gantry-bench');
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** The image's layout, built if it is not there yet. Needs Debian's apt and dpkg, and its package mirror the first time. */
export async function ensureImage(
  name: ImageName,
  log: (line: string) => void = () => {},
): Promise<ImageFacts> {
  const recipe = RECIPES[name];
  const key = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 12);
  const dir = join(benchDir(), 'images', `${name}-${key}`);
  const facts = join(dir, 'facts.json');
  if (existsSync(facts)) return { ...(JSON.parse(readFileSync(facts, 'utf8')) as ImageFacts), dir };

  const started = performance.now();
  const staging = `${dir}.tmp-${process.pid}`;
  mkdirSync(staging, { recursive: true });
  const apt = openApt(benchDir());
  const wanted: string[] = [];
  const below = new Set<string>();
  const sources: LayerSource[] = [];
  const entries: number[] = [];
  log(`${name}: resolving packages`);
  for (const [index, layer] of recipe.layers.entries()) {
    wanted.push(...(layer.packages ?? []));
    const closure = layer.packages === undefined ? [] : await apt.closure(wanted);
    const packages = closure.filter((item) => !below.has(item.name));
    for (const item of packages) below.add(item.name);
    const from = packageLayerTar({ ...layer, packages }, (count) => {
      entries[index] = count;
      log(
        `${name}: layer ${index + 1} of ${recipe.layers.length}: ${packages.length} packages, ${count} entries`,
      );
    });
    sources.push({ createdBy: layer.createdBy, from });
  }
  log(`${name}: downloading ${below.size} packages (kept in ${join(benchDir(), 'debs')})`);
  await apt.download(wanted);
  const built = await buildImage({ dir: staging, config: recipe.config, layers: sources });
  const result: ImageFacts = {
    ...built,
    layers: built.layers.map((layer, index) => ({ ...layer, entries: entries[index] ?? 0 })),
    buildSeconds: (performance.now() - started) / 1000,
  };
  writeFileSync(join(staging, 'facts.json'), JSON.stringify(result, null, 1));
  try {
    renameSync(staging, dir);
  } catch (error) {
    // Another process built the same image in the meantime; the recipes are deterministic, so either will do.
    if (!existsSync(facts)) throw error;
    rmSync(staging, { recursive: true });
  }
  return { ...result, dir };
}
