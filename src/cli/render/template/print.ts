/**
 * Values as Go shows them. A template's data is JSON-like: plain objects stand for Go's structs (a missing field is an
 * error), `Map` for its maps (a missing key is `<no value>`), null for nil.
 *
 *   %v   [a b]   map[k:v k2:v2]   {v1 v2}   <nil>          %q   "a"   ["a" "b"]          %d of "x"   %!d(string=x)
 */
export type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Value[]
  | Map<string, Value>
  | Struct;
export interface Struct {
  readonly [field: string]: Value;
}

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

/** Fields of Docker's documents that are maps in Go, and lists that are null in JSON when empty. */
const MAPS = new Set(
  'Labels ExposedPorts Volumes Data Networks Ports Annotations Sysctls Tmpfs Runtimes'.split(' '),
);
const LISTS = new Set(
  'Env Cmd Entrypoint OnBuild Shell RepoTags RepoDigests Mounts Binds Args Warnings'.split(' '),
);

/** Nil slices and maps: shown as `[]` and `map[]`, but null in JSON. */
const NIL_LIST: readonly Value[] = [];
const NIL_MAP = new Map<string, Value>();

/** A JSON document as a template's data. */
export function fromJson(json: unknown, field = ''): Value {
  if (Array.isArray(json)) return json.map((item) => fromJson(item));
  if (json === null || json === undefined)
    return LISTS.has(field) ? NIL_LIST : MAPS.has(field) ? NIL_MAP : null;
  if (typeof json !== 'object') return json as Value;
  if (json instanceof Map) return json as Map<string, Value>;
  const entries = Object.entries(json).map(([key, value]) => [key, fromJson(value, key)] as const);
  return MAPS.has(field) ? new Map(entries) : Object.fromEntries(entries);
}

export const sortedEntries = (map: Map<string, Value>): [string, Value][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

export function typeName(value: Value): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  return isList(value) ? '[]interface {}' : 'map[string]interface {}';
}

/** `value` under a verb (`v`, `s`, `q`, `d`, …) without width; lists and maps apply it to each element. */
export function show(value: Value, verb = 'v', precision?: number): string {
  if (isList(value)) return `[${value.map((item) => show(item, verb, precision)).join(' ')}]`;
  if (value instanceof Map) {
    return `map[${sortedEntries(value)
      .map(([key, item]) => `${show(key, verb)}:${show(item, verb, precision)}`)
      .join(' ')}]`;
  }
  if (value === null || value === undefined) return verb === 'v' ? '<nil>' : `%!${verb}(<nil>)`;
  if (typeof value === 'object') {
    return `{${Object.values(value)
      .map((item) => show(item, verb, precision))
      .join(' ')}}`;
  }
  return scalar(value, verb, precision) ?? `%!${verb}(${typeName(value)}=${value})`;
}

function scalar(value: string | number | boolean, verb: string, precision?: number): string | undefined {
  if (verb === 'v') return String(value);
  if (typeof value === 'boolean') return verb === 't' ? String(value) : undefined;
  if (typeof value === 'string') {
    const text = precision === undefined ? value : [...value].slice(0, precision).join('');
    if (verb === 's') return text;
    if (verb === 'q') return JSON.stringify(text);
    return verb === 'x' ? Buffer.from(value).toString('hex') : undefined;
  }
  if (verb === 'f') return value.toFixed(precision ?? 6);
  if (verb === 'g') return String(value);
  if (!Number.isInteger(value)) return undefined;
  if (verb === 'd') return String(value);
  if (verb === 'x') return value.toString(16);
  if (verb === 'c') return String.fromCodePoint(value);
  return undefined;
}

/** fmt.Sprintf with `%[-0+][width][.precision]verb`. */
export function sprintf(format: string, args: readonly Value[]): string {
  let used = 0;
  const text = format.replace(/%([-+0 #]*)(\d*)(?:\.(\d+))?(.)/gs, (_, flags, width, precision, verb) => {
    if (verb === '%') return '%';
    if (used >= args.length) return `%!${verb}(MISSING)`;
    const value = args[used++];
    let shown = show(value, verb, precision === undefined ? undefined : Number(precision));
    if (flags.includes('+') && typeof value === 'number' && value >= 0) shown = `+${shown}`;
    if (flags.includes('-')) return shown.padEnd(Number(width));
    return shown.padStart(Number(width), flags.includes('0') && typeof value === 'number' ? '0' : ' ');
  });
  const extra = args.slice(used).map((value) => `${typeName(value)}=${show(value)}`);
  return extra.length > 0 ? `${text}%!(EXTRA ${extra.join(', ')})` : text;
}

/** encoding/json without HTML escapes, as docker's `json` function: keys of maps in order, of structs as declared. */
export const toJson = (value: Value): string =>
  JSON.stringify(value ?? null, (_, item) => {
    if (item === NIL_LIST || item === NIL_MAP) return null;
    return item instanceof Map ? Object.fromEntries(sortedEntries(item)) : item;
  });
