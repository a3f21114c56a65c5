/**
 * Sizes as Docker's flags take them: `500M`, `1.5g`, `64kb`, `1 GiB`, `1048576`; every unit counts in 1024s.
 */
import { invalid } from './invalid.js';

const UNITS = ['', 'k', 'm', 'g', 't', 'p'];

/** Bytes, cut to a whole number. Throws ERR_INVALID_ARGUMENT (`invalid size: 'x'`). */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw invalid(`invalid size: '${text}'`);
  return Math.trunc(Number(match[1]) * 1024 ** UNITS.indexOf(match[2]!.toLowerCase()));
}
