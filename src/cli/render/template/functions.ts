/** The functions of Go's text/template and of docker's `--format` on top: json, join, split, lower, upper, title, pad, truncate. */
import { isList, show, sprintf, toJson, typeName, type Value } from './print.js';

type Parameter = 'any' | 'string' | 'int' | 'list';
export interface TemplateFunction {
  readonly parameters: readonly Parameter[];
  /** Any number of further arguments. */
  readonly variadic?: boolean;
  /** Throws an Error with Go's words for what is wrong with the values. */
  readonly call: (...args: never[]) => Value;
}

export const truth = (value: Value): boolean => {
  if (isList(value)) return value.length > 0;
  return value instanceof Map ? value.size > 0 : Boolean(value);
};

const isScalar = (value: Value) => value === null || typeof value !== 'object';

function compare(a: Value, b: Value): number {
  const comparable = typeof a === typeof b && (typeof a === 'number' || typeof a === 'string');
  if (!comparable) throw new Error('incompatible types for comparison');
  return a === b ? 0 : (a as string) < (b as string) ? -1 : 1;
}

function equal(a: Value, ...others: Value[]): boolean {
  return others.some((b) => {
    const nil = a === null || a === undefined || b === null || b === undefined;
    if (!isScalar(a) || !isScalar(b) || (!nil && typeof a !== typeof b)) {
      throw new Error('incompatible types for comparison');
    }
    return (a ?? null) === (b ?? null);
  });
}

function index(value: Value, ...keys: (string | number)[]): Value {
  return keys.reduce<Value>((at, key) => {
    if (isList(at) || typeof at === 'string') {
      if (typeof key !== 'number') throw new Error(`cannot index slice/array with type ${typeName(key)}`);
      if (key < 0 || key >= at.length) throw new Error(`index out of range: ${key}`);
      return typeof at === 'string' ? at.charCodeAt(key) : at[key];
    }
    if (at === null || at === undefined) throw new Error('index of untyped nil');
    if (typeof at !== 'object') throw new Error(`can't index item of type ${typeName(at)}`);
    // Docker's template sees a map of strings here: a missing key is the empty string.
    return (at instanceof Map ? at.get(String(key)) : (at as Record<string, Value>)[key]) ?? '';
  }, value);
}

function len(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (isList(value)) return value.length;
  if (value instanceof Map) return value.size;
  throw new Error(`len of type ${typeName(value)}`);
}

function slice(value: string | readonly Value[], from = 0, to = value.length): Value {
  if (from < 0 || to > value.length) throw new Error(`index out of range: ${from < 0 ? from : to}`);
  return value.slice(from, to);
}

/** fmt.Sprint: a space between operands when neither is a string. */
const print = (...args: Value[]) =>
  args.reduce<string>((text, value, at) => {
    const gap = at > 0 && typeof value !== 'string' && typeof args[at - 1] !== 'string' ? ' ' : '';
    return text + gap + show(value);
  }, '');

const one = (call: (a: Value) => Value): TemplateFunction => ({ parameters: ['any'], call });
const two = (call: (a: Value, b: Value) => Value): TemplateFunction => ({ parameters: ['any', 'any'], call });
const text = (call: (a: string) => Value): TemplateFunction => ({ parameters: ['string'], call });
const many = (...parameters: Parameter[]) => ({ parameters, variadic: true });

export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  json: one(toJson),
  len: one(len),
  not: one((a) => !truth(a)),
  lower: text((a) => a.toLowerCase()),
  upper: text((a) => a.toUpperCase()),
  title: text((a) => a.replace(/(^|\s)(\S)/g, (_, gap: string, first: string) => gap + first.toUpperCase())),
  ne: two((a, b) => !equal(a, b)),
  lt: two((a, b) => compare(a, b) < 0),
  le: two((a, b) => compare(a, b) <= 0),
  gt: two((a, b) => compare(a, b) > 0),
  ge: two((a, b) => compare(a, b) >= 0),
  split: { parameters: ['string', 'string'], call: (a: string, by: string) => a.split(by) },
  join: {
    parameters: ['list', 'string'],
    call: (a: Value[], by: string) => a.map((item) => show(item)).join(by),
  },
  truncate: { parameters: ['string', 'int'], call: (a: string, n: number) => a.slice(0, n) },
  pad: {
    parameters: ['string', 'int', 'int'],
    call: (a: string, before: number, after: number) =>
      a === '' ? '' : ' '.repeat(before) + a + ' '.repeat(after),
  },
  eq: { ...many('any', 'any'), call: equal },
  index: { ...many('any'), call: index },
  slice: { ...many('any'), call: slice },
  print: { ...many(), call: print },
  println: { ...many(), call: (...args: Value[]) => `${args.map((item) => show(item)).join(' ')}\n` },
  printf: { ...many('string'), call: (format: string, ...args: Value[]) => sprintf(format, args) },
  // Evaluated in place: they stop at the first argument that decides.
  and: { ...many('any'), call: () => null },
  or: { ...many('any'), call: () => null },
};
