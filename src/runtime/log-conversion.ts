/**
 * conmon's log made into Docker's, again and again, each line once:
 *
 *   containers/<id>/shim.log             conmon appends; at its bound, or asked to, it renames an empty one over it
 *                   shim.log.old         a second name of that file, so that it is still there after this
 *                   <id>-json.log        we append; .1, .2 … are older
 *                   log-position.json    {"source":{"file":"<inode>:<birth>","offset":4096},"target":{"file":…,"size":9000},"carry":{}}
 *
 * The position is replaced after each piece that was appended, and before each rotation. What the target holds beyond
 * it was appended by who was killed before he could say so, which is seen by its being what comes next, and is not
 * appended again; or by a dockerd that started the container on this root, and stays. Lines are lost only when conmon
 * begins two files between two conversions; that is its bound. The caller holds the log's lock.
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

/** Converts all whole lines that there are. Gives the size of conmon's file. */
export function convertLog(directory: string, limits: LogLimits): number {
  const current = shimLogPath(directory);
  const old = `${current}.old`;
  const now = fileIdentity(current);
  if (now === undefined) return 0;
  let position = readPosition(directory);
  if (fileIdentity(old) !== now) {
    if (existsSync(old)) position = convertFile(directory, old, position, limits);
    rmSync(old, { force: true });
    keepShimLog(directory);
  }
  return convertFile(directory, current, position, limits).source.offset;
}

/** Gives conmon's file its second name. To be called once conmon has made it. */
export function keepShimLog(directory: string): void {
  try {
    linkSync(shimLogPath(directory), `${shimLogPath(directory)}.old`);
  } catch (error) {
    if (errnoCode(error) !== 'EEXIST' && errnoCode(error) !== 'ENOENT') throw error;
  }
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
        if (target.size + text.length >= limits.maxSize) {
          position = append(target, text, { file, offset: offset + at }, carry);
          text = '';
          target.close();
          rotate(directory, limits.maxFile);
          target = openTarget(directory, position);
        }
        const stop = piece.indexOf(NEWLINE, at);
        const line = dockerLine(piece.subarray(at, stop), carry);
        if (line !== undefined) ({ carry } = line);
        text += line?.text ?? '';
        at = stop + 1;
      }
      position = append(target, text, { file, offset: offset + end }, carry);
      offset += end;
    }
    return position;
  } finally {
    target?.close();
    closeSync(source);
  }

  function append(to: Target, text: string, at: Position['source'], carry: Carry): Position {
    to.append(text);
    to.sync();
    const reached = { source: at, target: to.at(), carry };
    writeFileAtomic(logPositionPath(directory), JSON.stringify(reached), { sync: true });
    return reached;
  }
}

interface Target {
  readonly size: number;
  append(text: string): void;
  at(): Position['target'];
  sync(): void;
  close(): void;
}

/** The file to append to. `size` is what the position vouches for, and what was appended here. */
function openTarget(directory: string, position: Position): Target {
  const path = jsonLogPath(directory);
  const fd = openSync(path, 'a', 0o640);
  const file = fileIdentity(fd)!;
  let found = fstatSync(fd).size;
  const { target } = position;
  const known = target.file === file ? target.size : target.file === '' ? found : 0; // another: made by a rotation
  let size = Math.min(known, found);
  return {
    get size() {
      return size;
    },
    append: (text) => {
      const bytes = Buffer.from(text);
      let there = 0;
      if (size < found && text !== '') ({ there, size } = takeUp(path, size, found, bytes));
      for (let at = there; at < bytes.length; ) at += writeSync(fd, bytes, at);
      size += bytes.length - there;
      found = size;
    },
    at: () => ({ file, size }),
    sync: () => fsyncSync(fd),
    close: () => closeSync(fd),
  };
}

/** How much of `bytes` is there already from `start` on, and the size of the file, cut back to whole lines. */
function takeUp(
  path: string,
  start: number,
  end: number,
  bytes: Buffer,
): { readonly there: number; readonly size: number } {
  const fd = openSync(path, 'r+');
  try {
    const head = readAt(fd, start, Math.min(end - start, bytes.length));
    const same = head.equals(bytes.subarray(0, head.length));
    if (same && end - start === head.length) return { there: head.length, size: end };
    const last = readAt(fd, Math.max(start, end - PIECE), Math.min(PIECE, end - start));
    const size = end - last.length + last.lastIndexOf(NEWLINE) + 1;
    ftruncateSync(fd, size);
    return { there: same ? head.length : 0, size };
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, start: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, start));
}

/** Makes each file one older, as far as the first gap: a rotation that was killed left one and is completed so. */
function rotate(directory: string, maxFile: number): void {
  let gap = 1;
  while (gap < maxFile && existsSync(jsonLogPath(directory, gap))) gap++;
  if (gap === maxFile) rmSync(jsonLogPath(directory, --gap || 0), { force: true });
  for (let age = gap; age > 0; age--)
    renameSync(jsonLogPath(directory, age - 1), jsonLogPath(directory, age));
}
