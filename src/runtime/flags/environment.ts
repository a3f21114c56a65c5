/**
 * `-e NAME=value`, `-e NAME` (the caller's own value; nothing where the caller has none), and the files of
 * `--env-file` and `--label-file`: one entry a line, `#` comments, no quoting, blanks at the line's start dropped.
 */
import { invalid } from './invalid.js';

export type Environment = Readonly<Record<string, string | undefined>>;

function resolve(entry: string, caller: Environment): string[] {
  if (entry.startsWith('=') || entry === '') throw invalid(`invalid environment variable: ${entry}`);
  if (entry.includes('=')) return [entry];
  const value = caller[entry];
  return value === undefined ? [] : [`${entry}=${value}`];
}

/** The lines of an env file or a label file. */
export function parseEntryFile(text: string, kind: 'environment' | 'label' = 'environment'): string[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.replace(/^\s+/, ''));
  const entries = lines.filter((line) => line !== '' && !line.startsWith('#'));
  for (const entry of entries) {
    const name = entry.split('=', 1)[0]!;
    const what = kind === 'label' ? 'label' : 'environment';
    if (name === '') throw invalid(`poorly formatted ${what}: no variable name on line '${entry}'`);
    if (/\s/.test(name)) throw invalid(`poorly formatted ${what}: variable '${name}' contains whitespaces`);
  }
  return entries;
}

/** Entries with bare names resolved, in order: files first, then flags. */
export function environment(
  files: readonly string[],
  entries: readonly string[],
  caller: Environment,
): string[] {
  return [...files.flatMap((text) => parseEntryFile(text)), ...entries].flatMap((entry) =>
    resolve(entry, caller),
  );
}

/** `NAME=value` and bare `NAME` (empty value) as Docker keeps labels and annotations. */
export function labels(files: readonly string[], entries: readonly string[]): Record<string, string> {
  const all = [...files.flatMap((text) => parseEntryFile(text, 'label')), ...entries];
  return Object.fromEntries(
    all.map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** `later` laid over `base`: a name that is there keeps its place and takes the new value. */
export function mergeEnvironment(base: readonly string[], later: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of [...base, ...later]) merged.set(entry.split('=', 1)[0]!, entry);
  return [...merged.values()];
}
