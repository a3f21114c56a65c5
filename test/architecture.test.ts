/** The arrows of the layers (README, "How it is built"), read from the imports themselves. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SIBLINGS = ['registry', 'image', 'layer', 'overlay', 'runtime', 'supervisor', 'copyup'];
const LAYERS = ['cli', 'engine', ...SIBLINGS, 'core', 'workers'];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly kind: 'value' | 'type' | 'lazy';
}

const root = join(import.meta.dirname, '..');
const sources = ['src', 'workers'].flatMap((dir) =>
  readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(dir, name)),
);
const text = new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

/** Statements only: comments are cut first, so that an example in one is no import. */
function importsOf(file: string): Import[] {
  const code = (text.get(file) ?? '').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const found: Import[] = [];
  const add = (specifier: string | undefined, kind: Import['kind']): void => {
    if (!specifier?.startsWith('.')) return;
    const to = relative(root, join(root, dirname(file), specifier)).replace(/\.js$/, '.ts');
    found.push({ from: file, to, kind });
  };
  for (const [, type, specifier] of code.matchAll(
    /^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+'([^']+)'/gm,
  )) {
    add(specifier, type ? 'type' : 'value');
  }
  for (const [, specifier] of code.matchAll(/^import\s+'([^']+)'/gm)) add(specifier, 'value');
  for (const [, specifier] of code.matchAll(/\bimport\('([^']+)'\)/g)) add(specifier, 'lazy');
  return found;
}

const layerOf = (file: string): string =>
  file.startsWith('workers/') ? 'workers' : (file.split('/')[1] ?? '');

/** What may be imported from each layer, besides itself. */
function allowed(from: string, to: string, kind: Import['kind']): boolean {
  if (from === to || to === 'core') return true;
  if (from === 'cli') return to !== 'workers';
  if (from === 'engine') return SIBLINGS.includes(to) || (to === 'workers' && kind === 'type');
  if (from === 'workers') return SIBLINGS.includes(to);
  return false;
}

const imports = sources.flatMap(importsOf);

describe('architecture', () => {
  it('knows every file', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.filter((file) => !LAYERS.includes(layerOf(file)))).toEqual([]);
  });

  it('finds the imports it judges', () => {
    expect(imports.length).toBeGreaterThan(sources.length);
    const missing = imports.filter(({ to }) => !text.has(to) && !to.endsWith('.json'));
    expect(missing).toEqual([]);
  });

  it('has no import upward and none between siblings', () => {
    const wrong = imports.filter(
      ({ from, to, kind }) => text.has(to) && !allowed(layerOf(from), layerOf(to), kind),
    );
    expect(wrong.map(({ from, to, kind }) => `${from} → ${to} (${kind})`)).toEqual([]);
  });

  it('has no cycle', () => {
    const next = new Map<string, string[]>();
    for (const { from, to, kind } of imports) {
      if (kind !== 'lazy') next.set(from, [...(next.get(from) ?? []), to]);
    }
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      if (done.has(file)) return;
      for (const to of next.get(file) ?? []) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('ends the process and writes to the terminal only under cli', () => {
    const pattern = /\bprocess\.(?:exit\(|stdout|stderr)|\bconsole\.(?:log|error|warn|info)/;
    const wrong = sources.filter((file) => layerOf(file) !== 'cli' && pattern.test(text.get(file) ?? ''));
    expect(wrong).toEqual([]);
  });
});
