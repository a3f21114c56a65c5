/**
 * The grammar of Go templates as far as docker's users write it: fields and chains, variables, pipelines, calls,
 * parentheses, `if`, `else if`, `with`, `range` (also `$i, $v :=`), literals. No `define`, `template` and `block`.
 */
import { lex, parseError, type Segment, type Token } from './lex.js';

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | { readonly kind: 'if' | 'with' | 'range'; readonly pipe: Pipe; readonly body: Node[]; otherwise: Node[] };

export interface Pipe {
  readonly declare: readonly string[];
  /** `$x = …` sets a variable that is there; `$x := …` makes one. */
  readonly assign: boolean;
  readonly commands: readonly Command[];
}

export interface Place {
  readonly pos: number;
  readonly text: string;
}

export interface Command extends Place {
  readonly words: readonly Operand[];
}

export type Operand = Place & { readonly fields: readonly string[] } & (
    | { readonly kind: 'dot' }
    | { readonly kind: 'nil' }
    | { readonly kind: 'literal'; readonly value: string | number | boolean }
    | { readonly kind: 'variable'; readonly name: string }
    | { readonly kind: 'function'; readonly name: string }
    | { readonly kind: 'group'; readonly pipe: Pipe }
  );

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

function unquote(text: string): string | number {
  if (text.startsWith('`')) return text.slice(1, -1);
  const plain = text
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))/gi, (_, x, u, c) =>
      c === undefined ? String.fromCharCode(Number.parseInt(x ?? u, 16)) : (ESCAPES[c] ?? c),
    );
  return text.startsWith("'") ? plain.codePointAt(0)! : plain;
}

/** Parses a template; `functions` are the names that may be called. Throws ERR_INVALID_ARGUMENT in Go's words. */
export function parse(source: string, functions: ReadonlySet<string>): Node[] {
  const segments = lex(source);
  const variables: string[] = ['$'];
  let next = 0;

  const fail = (pos: number, what: string) => parseError(source, pos, what);

  /** Nodes up to `end` or `else`, whose tokens it returns. */
  function list(nested: boolean): [Node[], readonly Token[]] {
    const nodes: Node[] = [];
    while (next < segments.length) {
      const segment = segments[next++] as Segment;
      if ('text' in segment) {
        nodes.push({ kind: 'text', text: segment.text });
        continue;
      }
      const [first] = segment.action;
      if (first === undefined) throw fail(segment.pos, 'missing value for command');
      const word = first.kind === 'word' ? first.text : '';
      if (word === 'end' || word === 'else') {
        if (!nested) throw fail(segment.pos, `unexpected {{${word}}}`);
        return [nodes, segment.action];
      }
      nodes.push(
        word === 'if' || word === 'with' || word === 'range'
          ? control(word, segment.action.slice(1), segment.pos)
          : { kind: 'print', pipe: whole(segment.action) },
      );
    }
    if (nested) throw fail(source.length, 'unexpected EOF');
    return [nodes, []];
  }

  function control(kind: 'if' | 'with' | 'range', tokens: readonly Token[], pos: number): Node {
    const visible = variables.length;
    if (tokens.length === 0) throw fail(pos, `missing value for ${kind}`);
    const pipe = whole(tokens);
    const [body, stop] = list(true);
    const node: Node = { kind, pipe, body, otherwise: [] };
    if (stop[0]?.text === 'else') {
      const chained = stop[1]?.text;
      if (chained === 'if' || chained === 'with') node.otherwise = [control(chained, stop.slice(2), pos)];
      else {
        const [otherwise, last] = list(true);
        if (last[0]?.text === 'else') throw fail(pos, 'expected end; found {{else}}');
        node.otherwise = otherwise;
      }
    }
    variables.length = visible;
    return node;
  }

  function whole(tokens: readonly Token[]): Pipe {
    const cursor = { tokens, at: 0 };
    const result = pipeline(cursor);
    const rest = tokens[cursor.at];
    if (rest !== undefined) throw fail(rest.pos, `unexpected ${JSON.stringify(rest.text)} in command`);
    return result;
  }

  interface Cursor {
    readonly tokens: readonly Token[];
    at: number;
  }

  function pipeline(cursor: Cursor): Pipe {
    const { tokens } = cursor;
    const declare: string[] = [];
    const mark = tokens.slice(cursor.at, cursor.at + 4).map((token) => token.text);
    const names = mark[1] === ',' ? [mark[0]!, mark[2]!] : [mark[0] ?? ''];
    const operator = mark[names.length * 2 - 1];
    const declaring = names[0]!.startsWith('$') && (operator === ':=' || operator === '=');
    if (declaring) {
      cursor.at += names.length * 2;
      declare.push(...names);
    }
    const commands: Command[] = [];
    for (let more = true; more; ) {
      commands.push(command(cursor));
      more = tokens[cursor.at]?.text === '|';
      if (more) cursor.at++;
    }
    if (declaring && operator === ':=') variables.push(...declare);
    return { declare, assign: operator === '=', commands };
  }

  function command(cursor: Cursor): Command {
    const words: Operand[] = [];
    const from = cursor.tokens[cursor.at];
    while (cursor.at < cursor.tokens.length && !/^[|)]$/.test(cursor.tokens[cursor.at]!.text)) {
      words.push(operand(cursor));
    }
    const last = words.at(-1);
    if (from === undefined || last === undefined) {
      throw fail(from?.pos ?? source.length, 'missing value for command');
    }
    const { pos } = from;
    return { words, pos, text: source.slice(pos, endOf(cursor)) };
  }

  const endOf = (cursor: Cursor): number => {
    const token = cursor.tokens[cursor.at - 1]!;
    return token.pos + token.text.length;
  };

  function operand(cursor: Cursor): Operand {
    const token = cursor.tokens[cursor.at++]!;
    const base = primary(token, cursor);
    const fields: string[] = [];
    if (token.kind === 'field' && token.text !== '.') fields.push(token.text.slice(1));
    // Go gives a chain the place of its second link.
    let { pos } = token;
    for (
      let link = cursor.tokens[cursor.at];
      link?.kind === 'field' && link.glued;
      link = cursor.tokens[cursor.at]
    ) {
      if (pos === token.pos) pos = link.pos;
      fields.push(link.text.slice(1));
      cursor.at++;
    }
    return { ...base, fields, pos, text: source.slice(token.pos, endOf(cursor)) };
  }

  type Primary = Operand extends infer O
    ? O extends Operand
      ? Omit<O, 'fields' | keyof Place>
      : never
    : never;

  function primary(token: Token, cursor: Cursor): Primary {
    switch (token.kind) {
      case 'string':
        return { kind: 'literal', value: unquote(token.text) };
      case 'number':
        return { kind: 'literal', value: Number(token.text) };
      case 'field':
        return { kind: 'dot' };
      case 'variable':
        if (!variables.includes(token.text)) throw fail(token.pos, `undefined variable "${token.text}"`);
        return { kind: 'variable', name: token.text };
      case 'word':
        if (token.text === 'nil') return { kind: 'nil' };
        if (token.text === 'true' || token.text === 'false') {
          return { kind: 'literal', value: token.text === 'true' };
        }
        if (!functions.has(token.text)) throw fail(token.pos, `function "${token.text}" not defined`);
        return { kind: 'function', name: token.text };
      case 'symbol': {
        if (token.text !== '(') throw fail(token.pos, `unexpected ${JSON.stringify(token.text)} in operand`);
        const pipe = pipeline(cursor);
        if (cursor.tokens[cursor.at++]?.text !== ')') throw fail(token.pos, 'unclosed left paren');
        return { kind: 'group', pipe };
      }
    }
  }

  return list(false)[0];
}
