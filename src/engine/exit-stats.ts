/**
 * `run --stats-on-exit FILE`: a document of the run that ended, replaced as a whole at each end, whoever records that:
 *
 *   {"Id":"<64 hex>","Name":"build","Image":"debian:12","ExitCode":0,"OOMKilled":false,"StartedAt":"…","FinishedAt":"…",
 *    "Resources":{…}}                              resource-report.ts; not there when its cgroup was lost
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { GantryError } from '../core/errors.js';
import { type ContainerRecord, plainName } from '../runtime/container-record.js';

/** Before the container is made. ERR_INVALID_ARGUMENT for what cannot be replaced by a file. */
export function checkStatsFile(path: string): void {
  const directory = statSync(dirname(path), { throwIfNoEntry: false });
  const there = statSync(path, { throwIfNoEntry: false });
  const refuse = (why: string): GantryError =>
    new GantryError('ERR_INVALID_ARGUMENT', `--stats-on-exit ${path}: ${why}`);
  if (!directory?.isDirectory()) throw refuse(`expected a directory ${dirname(path)}, found none`);
  if (there !== undefined && !there.isFile())
    throw refuse('expected a file or nothing, found something else');
}

/** For a run that has ended. Gives the record; a failure to write is its error, because the end stands all the same. */
export function writeExitStats(record: ContainerRecord): ContainerRecord {
  const { ID: Id, Config, Image, State, StatsOnExit } = record;
  if (StatsOnExit === undefined) return record;
  const { ExitCode, OOMKilled, StartedAt, FinishedAt, Resources } = State;
  const Name = plainName(record);
  const stats = {
    Id,
    Name,
    Image: Config.Image ?? Image,
    ExitCode,
    OOMKilled,
    StartedAt,
    FinishedAt,
    Resources,
  };
  try {
    writeFileAtomic(StatsOnExit, `${JSON.stringify(stats)}\n`, { mode: 0o644 });
    return record;
  } catch (error) {
    const failure = `--stats-on-exit: ${(error as NodeJS.ErrnoException).message}`;
    return { ...record, State: { ...State, Error: State.Error || failure } };
  }
}
