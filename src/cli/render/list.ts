/**
 * A list of things under docker's `--format`:
 *
 *   (nothing) or `table`     the usual columns                 `json`            an object a line, keys in order
 *   `table {{.ID}}\t{{.Tag}}`  chosen columns, with headers    `{{.ID}}: {{.Tag}}`  a line of text each
 */
import { table } from './table.js';
import { compile } from './template/evaluate.js';
import type { TemplateFunction } from './template/functions.js';
import { fromJson, type Value } from './template/print.js';

export type Row = Readonly<Record<string, unknown>>;

export interface ListLayout {
  /** Header by field; also the fields a template may name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Fields of the usual table. */
  readonly columns: readonly string[];
  readonly format?: string | undefined;
  /** With the usual table: this field alone, without a header. */
  readonly only?: string | undefined;
}

const keep: TemplateFunction = { parameters: ['any'], variadic: true, call: (value: Value) => value };
/** In a header line the text functions leave the header as it is. */
const HEADER_FUNCTIONS = Object.fromEntries(
  ['json', 'split', 'join', 'title', 'lower', 'upper', 'truncate', 'pad'].map((name) => [name, keep]),
);

/** The text, a line for each row. Throws ERR_INVALID_ARGUMENT for a template that cannot be used. */
export function renderList(rows: readonly Row[], layout: ListLayout): string {
  const format = (layout.format ?? '').trim();
  if (format === 'json') return rows.map((row) => `${jsonLine(row)}\n`).join('');
  if (format === '' || format === 'table') {
    const { only } = layout;
    if (only !== undefined) return rows.map((row) => `${row[only]}\n`).join('');
    const cells = rows.map((row) => layout.columns.map((field) => String(row[field] ?? '')));
    return table([layout.columns.map((field) => layout.headers[field]!), ...cells]);
  }
  const asTable = format.startsWith('table ');
  const source = (asTable ? format.slice(6).trim() : format).replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  const line = compile(source);
  const lines = rows.map((row) => line(fromJson(row)));
  if (!asTable) return lines.map((text) => `${text}\n`).join('');
  const header = compile(source, { functions: HEADER_FUNCTIONS, lenient: true })(layout.headers);
  return table([header, ...lines].map((text) => text.split('\t')));
}

/** One object on one line as Go's encoding/json writes it: sorted keys, `<`, `>` and `&` escaped. */
function jsonLine(row: Row): string {
  const sorted = Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(sorted).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
