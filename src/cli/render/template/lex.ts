/**
 * Text and tokens of a Go template (text/template): `ID={{- .Id | printf "%.12s" }}` becomes the text `ID=` and one
 * action with the tokens `.Id`, `|`, `printf`, `"%.12s"`. Trim markers and comments end here.
 */
import { GantryError } from '../../../core/errors.js';

export interface Token {
  readonly kind: 'string' | 'number' | 'variable' | 'field' | 'word' | 'symbol';
  readonly text: string;
  readonly pos: number;
  /** No space before it: `.A.B` is a chain, `.A .B` are two operands. */
  readonly glued: boolean;
}

export type Segment = { readonly text: string } | { readonly action: readonly Token[]; readonly pos: number };

const TOKENS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)+'/y],
  ['number', /[-+]?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)/y],
  ['variable', /\$\w*/y],
  ['field', /\.\w*/y],
  ['word', /\w+/y],
  ['symbol', /:=|[=(),|]/y],
];

/** Docker's exit status for a template that does not parse is 64. */
export const parseError = (source: string, pos: number, what: string): GantryError =>
  new GantryError(
    'ERR_INVALID_ARGUMENT',
    `template parsing error: template: :${lineOf(source, pos)}: ${what}`,
    { exitCode: 64 },
  );

export const lineOf = (source: string, pos: number): number => source.slice(0, pos).split('\n').length;

/** Splits a template. Throws ERR_INVALID_ARGUMENT in Go's words. */
export function lex(source: string): Segment[] {
  const segments: Segment[] = [];
  let trimNext = false;
  for (let at = 0; at < source.length; ) {
    const open = source.indexOf('{{', at);
    const trimBefore = open >= 0 && /^\{\{-\s/.test(source.slice(open, open + 4));
    let text = source.slice(at, open < 0 ? undefined : open);
    if (trimNext) text = text.trimStart();
    if (trimBefore) text = text.trimEnd();
    if (text !== '') segments.push({ text });
    if (open < 0) break;
    const start = open + (trimBefore ? 3 : 2);
    const comment = /\s*\/\*.*?\*\/(\s+-)?\}\}/sy;
    comment.lastIndex = start;
    const found = comment.exec(source);
    if (found !== null) {
      trimNext = found[1] !== undefined;
      at = comment.lastIndex;
      continue;
    }
    const tokens: Token[] = [];
    [at, trimNext] = lexAction(source, start, tokens);
    segments.push({ action: tokens, pos: open });
  }
  return segments;
}

/** Reads tokens up to `}}`; returns the place after it and whether it trims what follows. */
function lexAction(source: string, start: number, tokens: Token[]): [number, boolean] {
  for (let at = start; at < source.length; ) {
    const close = /(\s+-)?\}\}/y;
    close.lastIndex = at;
    const end = close.exec(source);
    if (end !== null) return [close.lastIndex, end[1] !== undefined];
    if (/\s/.test(source[at]!)) {
      at++;
      continue;
    }
    const token = tokenAt(source, at, at > start && !/\s/.test(source[at - 1]!));
    tokens.push(token);
    at += token.text.length;
  }
  throw parseError(source, start, 'unclosed action');
}

function tokenAt(source: string, pos: number, glued: boolean): Token {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = pos;
    const found = pattern.exec(source);
    if (found !== null) return { kind, text: found[0], pos, glued };
  }
  const char = source[pos]!;
  if (char === '"') throw parseError(source, pos, 'unterminated quoted string');
  if (char === '`') throw parseError(source, pos, 'unterminated raw quoted string');
  const point = char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  throw parseError(source, pos, `bad character U+${point} '${char}'`);
}
