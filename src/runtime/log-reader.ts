/**
 * Docker's json-file log, read from the oldest file to the one that is written, and on from there: a reader knows its
 * place by file, not by name, so a rotation between two looks costs it nothing that is still on disk.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoCode } from '../core/errors.js';
import { fileIdentity } from './log-conversion.js';
import type { LogStream } from './log-lines.js';
import { jsonLogPath } from './log-paths.js';

export interface LogEntry {
  readonly log: string;
  readonly stream: LogStream;
  /** RFC 3339 in UTC, to the nanosecond. */
  readonly time: string;
}

export class LogReader {
  readonly #directory: string;
  #file = '';
  #offset = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** All entries since the last call. Lines that are no JSON are passed over. */
  next(): LogEntry[] {
    const files: { readonly path: string; readonly file: string }[] = [];
    for (let age = 0; ; age++) {
      const path = jsonLogPath(this.#directory, age);
      const file = fileIdentity(path);
      if (file !== undefined) files.unshift({ path, file });
      else if (age > 0) break;
    }
    const here = files.findIndex(({ file }) => file === this.#file);
    if (here < 0) this.#offset = 0;
    return files.slice(Math.max(0, here)).flatMap(({ path, file }) => this.#read(path, file));
  }

  #read(path: string, file: string): LogEntry[] {
    if (file !== this.#file) {
      this.#file = file;
      this.#offset = 0;
    }
    const bytes = tailOf(path, file, this.#offset);
    const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
    this.#offset += whole.length;
    return whole.toString().split('\n').flatMap(parseEntry);
  }
}

function tailOf(path: string, file: string, offset: number): Buffer {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    if (fileIdentity(fd) !== file) return Buffer.alloc(0); // rotated this moment: the next look finds it
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - offset));
    return bytes.subarray(0, bytes.length && readSync(fd, bytes, 0, bytes.length, offset));
  } finally {
    closeSync(fd);
  }
}

function parseEntry(line: string): LogEntry[] {
  if (line === '') return [];
  try {
    const { log, stream, time } = JSON.parse(line) as LogEntry;
    return typeof log === 'string' && typeof time === 'string' ? [{ log, stream, time }] : [];
  } catch {
    return [];
  }
}
