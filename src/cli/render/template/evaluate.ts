/**
 * Docker's `--format`: a Go template over JSON-like data. `compile('{{.Id}}')(data)` is the text. Errors are Go's:
 *
 *   template parsing error: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"
 */
import { GantryError } from '../../../core/errors.js';
import { FUNCTIONS, type TemplateFunction, truth } from './functions.js';
import { lineOf } from './lex.js';
import { type Command, type Node, type Operand, type Pipe, type Place, parse } from './parse.js';
import { isList, show, sortedEntries, type Value } from './print.js';

/** Variables, innermost first; a cell, because `$x = …` in a loop outlives its turn. */
interface Scope {
  readonly name: string;
  value: Value;
  readonly outer: Scope | undefined;
}

export interface CompileOptions {
  /** Functions that replace the usual ones: table headers make `json` and the like do nothing. */
  readonly functions?: Readonly<Record<string, TemplateFunction>>;
  /** A field that is not there is `<no value>` and no error. */
  readonly lenient?: boolean;
}

/** Compiles a template. Throws ERR_INVALID_ARGUMENT when it does not parse; the result does when it cannot be executed. */
export function compile(source: string, options: CompileOptions = {}): (data: Value) => string {
  const functions = { ...FUNCTIONS, ...options.functions };
  const nodes = parse(source, new Set(Object.keys(functions)));
  return (data) => new Run(source, functions, options.lenient === true, data).text(nodes);
}

class Run {
  readonly #source: string;
  readonly #functions: Readonly<Record<string, TemplateFunction>>;
  readonly #lenient: boolean;
  #scope: Scope | undefined;

  constructor(
    source: string,
    functions: Readonly<Record<string, TemplateFunction>>,
    lenient: boolean,
    readonly root: Value,
  ) {
    this.#source = source;
    this.#functions = functions;
    this.#lenient = lenient;
    this.#scope = { name: '$', value: root, outer: undefined };
  }

  text(nodes: readonly Node[], dot = this.root): string {
    const visible = this.#scope;
    const text = nodes.map((node) => this.#node(node, dot)).join('');
    this.#scope = visible;
    return text;
  }

  #node(node: Node, dot: Value): string {
    if (node.kind === 'text') return node.text;
    const visible = this.#scope;
    if (node.kind === 'range') return this.#range(node, dot);
    const value = this.#pipe(node.pipe, dot);
    if (node.kind === 'print') {
      if (node.pipe.declare.length > 0) return '';
      return value === undefined ? '<no value>' : show(value);
    }
    const text = truth(value)
      ? this.text(node.body, node.kind === 'with' ? value : dot)
      : this.text(node.otherwise, dot);
    this.#scope = visible;
    return text;
  }

  #range(node: Extract<Node, { pipe: Pipe; body: Node[] }>, dot: Value): string {
    const visible = this.#scope;
    const { declare, commands } = node.pipe;
    const value = this.#pipe({ declare: [], assign: false, commands }, dot);
    const turns = this.#turns(value, commands[0]!);
    const text = turns.map(([key, item]) => {
      this.#scope = visible;
      const bound = declare.length === 2 ? [key, item] : [item];
      for (const [at, name] of declare.entries()) this.#set(name, bound[at], node.pipe.assign);
      return this.text(node.body, item);
    });
    this.#scope = visible;
    return turns.length > 0 ? text.join('') : this.text(node.otherwise, dot);
  }

  #turns(value: Value, place: Place): (readonly [Value, Value])[] {
    if (value === null || value === undefined) return [];
    if (isList(value)) return [...value.entries()];
    if (value instanceof Map) return sortedEntries(value);
    if (typeof value === 'number') return Array.from({ length: value }, (_, at) => [at, at] as const);
    throw this.#error(place, `range can't iterate over ${show(value)}`);
  }

  #set(name: string, value: Value, assign: boolean): void {
    const cell = assign ? this.#cell(name) : undefined;
    if (cell !== undefined) cell.value = value;
    else this.#scope = { name, value, outer: this.#scope };
  }

  #cell(name: string): Scope | undefined {
    let cell = this.#scope;
    while (cell !== undefined && cell.name !== name) cell = cell.outer;
    return cell;
  }

  #pipe(pipe: Pipe, dot: Value): Value {
    let value: Value;
    for (const [at, command] of pipe.commands.entries()) {
      value = this.#command(command, dot, at > 0 ? [value] : []);
    }
    for (const name of pipe.declare) this.#set(name, value, pipe.assign);
    return value;
  }

  #command(command: Command, dot: Value, piped: readonly Value[]): Value {
    const [first, ...rest] = command.words as [Operand, ...Operand[]];
    if (first.kind === 'function') return this.#call(first.name, command, rest, dot, piped);
    if (first.kind === 'nil') throw this.#error(first, 'nil is not a command');
    if (rest.length > 0 || piped.length > 0) {
      const name = first.fields.at(-1);
      const what =
        name === undefined
          ? `can't give argument to non-function ${first.text}`
          : `${name} is not a method but has arguments`;
      throw this.#error(first, what);
    }
    return this.#operand(first, dot);
  }

  #call(
    name: string,
    command: Command,
    words: readonly Operand[],
    dot: Value,
    piped: readonly Value[],
  ): Value {
    const { parameters, variadic, call } = this.#functions[name]!;
    const count = words.length + piped.length;
    if (count < parameters.length || (!variadic && count > parameters.length)) {
      const want = variadic ? `at least ${parameters.length}` : parameters.length;
      throw this.#error(command, `wrong number of args for ${name}: want ${want} got ${count}`);
    }
    if (name === 'and' || name === 'or') {
      let value: Value;
      for (const word of words) {
        value = this.#operand(word, dot);
        if (truth(value) === (name === 'or')) return value;
      }
      return piped.length > 0 ? piped[0] : value;
    }
    const args = [...words.map((word) => this.#operand(word, dot)), ...piped];
    for (const [at, parameter] of parameters.entries()) {
      const kind = isList(args[at]) ? 'list' : typeof args[at] === 'number' ? 'int' : typeof args[at];
      if (parameter !== 'any' && parameter !== kind) {
        const place = words[at] ?? command;
        throw this.#error(place, `expected ${parameter}; found ${words[at]?.text ?? show(args[at])}`);
      }
    }
    try {
      return call(...(args as never[]));
    } catch (error) {
      throw this.#error(command, `error calling ${name}: ${(error as Error).message}`);
    }
  }

  #operand(operand: Operand, dot: Value): Value {
    let value: Value;
    if (operand.kind === 'literal') value = operand.value;
    else if (operand.kind === 'variable') value = this.#cell(operand.name)?.value;
    else if (operand.kind === 'group') value = this.#pipe(operand.pipe, dot);
    else if (operand.kind === 'function') {
      value = this.#call(operand.name, { ...operand, words: [operand] }, [], dot, []);
    } else value = operand.kind === 'dot' ? dot : null;
    for (const field of operand.fields) value = this.#field(value, field, operand);
    return value;
  }

  #field(value: Value, field: string, place: Place): Value {
    if (value === null || value === undefined) {
      if (this.#lenient) return undefined;
      throw this.#error(place, `nil pointer evaluating interface {}.${field}`);
    }
    if (value instanceof Map) return value.get(field);
    if (typeof value !== 'object' || isList(value)) {
      throw this.#error(place, `can't evaluate field ${field} in type interface {}`);
    }
    const struct = value as Readonly<Record<string, Value>>;
    if (Object.hasOwn(struct, field)) return struct[field] ?? null;
    if (this.#lenient) return undefined;
    throw this.#error(place, `map has no entry for key "${field}"`);
  }

  #error(place: Place, what: string): GantryError {
    const line = lineOf(this.#source, place.pos);
    const column = place.pos - (this.#source.lastIndexOf('\n', place.pos - 1) + 1);
    return new GantryError(
      'ERR_INVALID_ARGUMENT',
      `template parsing error: template: :${line}:${column}: executing "" at <${place.text}>: ${what}`,
    );
  }
}
