/**
 * conmon's log made into Docker's, again and again, each line once:
 *
 *   containers/<id>/shim.log             conmon appends; at its bound, or asked to, it renames an empty one over it
 *                   shim.log.old         a second name of that file, so that it is still there after this
 *                   <id>-json.log        we append; .1, .2 … are older
 *                   log-position.json    {"source":{"file":"<inode>:<birth>","offset":4096},"target":{"file":…,"size":9000},"carry":{}}
 *
 * The position is replaced after each piece that was appended, and before each rotation. What the target holds beyond
 * it was appended by who was killed before he could say so; it is cut off and made again. Lines are lost only when conmon
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
