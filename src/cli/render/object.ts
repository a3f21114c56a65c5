/** One document under `-f/--format`: `json` on one line, or a Go template. */
import { compile } from './template/evaluate.js';
import { fromJson, toJson } from './template/print.js';

/** The text with its end of line. Throws ERR_INVALID_ARGUMENT for a template that cannot be used. */
export function renderObject(document: unknown, format: string): string {
  const data = fromJson(document);
  return `${format === 'json' ? toJson(data) : compile(format)(data)}\n`;
}
