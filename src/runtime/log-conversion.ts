/**
 * conmon's log made into Docker's, again and again, each line once:
 *
 *   containers/<id>/shim.log             conmon appends; at its bound it starts an empty one over it
 *                   shim.log.old         the same inode under a second name, while conmon is asked to start a new one
 *                   <id>-json.log        we append; .1, .2 … are older
 *                   log-position.json    {"source":{"file":"<inode>:<birth>","offset":4096},"target":{"file":…,"size":9000},"carry":{}}
 *
 * The position is replaced after each piece that was appended, and before each rotation. What the target holds beyond
 * it was appended by who was killed before he could say so; it is cut off and made again. The caller holds the log's lock.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode } from '../core/errors.js';
import type { LogLimits } from './log-config.js';
import { type Carry, dockerLine } from './log-lines.js';
import { jsonLogPath, logPositionPath, shimLogPath } from './log-paths.js';

const PIECE = 1024 * 1024;
const NEWLINE = 10;

interface Position {
  readonly source: { readonly file: string; readonly offset: number };
  readonly target: { readonly file: string; readonly size: number };
  readonly carry: Carry;
}

const NOWHERE: Position = { source: { file: '', offset: 0 }, target: { file: '', size: 0 }, carry: {} };

/** An inode number alone is given again soon. */
export function fileIdentity(of: string | number): string | undefined {
  try {
    const { ino, birthtimeNs } =
      typeof of === 'number' ? fstatSync(of, { bigint: true }) : statSync(of, { bigint: true });
    return `${ino}:${birthtimeNs}`;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function readPosition(directory: string): Position {
  try {
    return JSON.parse(readFileSync(logPositionPath(directory), 'utf8')) as Position;
  } catch {
    return NOWHERE;
  }
}

/** Converts all whole lines that there are. Gives the bytes that conmon's file holds, all converted. */
export function convertLog(directory: string, limits: LogLimits): number {
  const old = `${shimLogPath(directory)}.old`;
  const current = shimLogPath(directory);
  const now = fileIdentity(current);
  if (now === undefined) return 0;
  let position = readPosition(directory);
  const kept = fileIdentity(old);
  if (kept !== undefined) {
    if (kept !== now && kept === position.source.file)
      position = convertFile(directory, old, position, limits);
    rmSync(old, { force: true });
  }
  return convertFile(directory, current, position, limits).source.offset;
}

/**
 * Has conmon start an empty file when the one it has is larger than `bytes`: it is all converted. What is written until
 * it has done so is found under the second name, by us or by the next conversion.
 */
export function beginFreshLog(directory: string, bytes: number, askConmon: () => void): void {
  const path = shimLogPath(directory);
  const old = `${path}.old`;
  if (existsSync(old) || statSync(path).size < bytes) return;
  linkSync(path, old);
  askConmon();
}

function convertFile(directory: string, path: string, from: Position, limits: LogLimits): Position {
  const source = openSync(path, 'r');
  const file = fileIdentity(source)!;
  const size = fstatSync(source).size;
  let offset = file === from.source.file && from.source.offset <= size ? from.source.offset : 0;
  let position = { ...from, source: { file, offset } };
  let target: Target | undefined;
  try {
    const piece = Buffer.allocUnsafe(PIECE);
    while (offset < size) {
      const read = readSync(source, piece, 0, PIECE, offset);
      const end = piece.subarray(0, read).lastIndexOf(NEWLINE) + 1;
      if (end === 0) break; // a line that is being written
      target ??= openTarget(directory, position);
      let { carry } = position;
      let text = '';
      for (let at = 0; at < end; ) {
        const stop = piece.indexOf(NEWLINE, at);
        const line = dockerLine(piece.subarray(at, stop), carry);
        if (line !== undefined) ({ carry } = line);
        text += line?.text ?? '';
        at = stop + 1;
        if (at < end && target.size + text.length < limits.maxSize) continue;
        target.append(text);
        text = '';
        position = { source: { file, offset: offset + at }, target: target.at(), carry };
        target.sync();
        writeFileAtomic(logPositionPath(directory), JSON.stringify(position), { sync: true });
        if (target.size < limits.maxSize || at >= end) continue;
        target.close();
        rotate(directory, limits.maxFile);
        target = openTarget(directory, position);
      }
      offset += end;
    }
    return position;
  } finally {
    target?.close();
    closeSync(source);
  }
}

interface Target {
  readonly size: number;
  append(text: string): void;
  at(): Position['target'];
  sync(): void;
  close(): void;
}

/** The file to append to, cut back to what the position vouches for. */
function openTarget(directory: string, position: Position): Target {
  const path = jsonLogPath(directory);
  const fd = openSync(path, 'a', 0o640);
  const file = fileIdentity(fd)!;
  let { size } = fstatSync(fd);
  const { target } = position;
  const known = target.file === file ? target.size : target.file === '' ? size : 0; // another: made by a rotation
  if (known < size) {
    ftruncateSync(fd, known);
    size = known;
  }
  return {
    get size() {
      return size;
    },
    append: (text) => {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      size += bytes.length;
    },
    at: () => ({ file, size }),
    sync: () => fsyncSync(fd),
    close: () => closeSync(fd),
  };
}

/** Makes each file one older, as far as the first gap: a rotation that was killed left one and is completed so. */
function rotate(directory: string, maxFile: number): void {
  let gap = 1;
  while (gap < maxFile && existsSync(jsonLogPath(directory, gap))) gap++;
  if (gap === maxFile) rmSync(jsonLogPath(directory, --gap || 0), { force: true });
  for (let age = gap; age > 0; age--)
    renameSync(jsonLogPath(directory, age - 1), jsonLogPath(directory, age));
}
