/**
 * What to do about copy-ups: each rule looks at a profile, speaks only above its threshold, and names paths, the reason
 * with its numbers, and a command.
 *
 *   rule      when                                                                    then
 *   image     chmod, chown or xattr copied ≥ 1 MiB of data, or ≥ 50 ms                set it in the image
 *   metacopy  the same copied ≥ 64 MiB and a quarter of all bytes                     measure metacopy on this host
 *   volume    writes copied ≥ 16 MiB, or ≥ 100 ms, below one directory                a volume there
 *   split     one file of ≥ 64 MiB, of which at most 1/64 changed                     keep what changes apart
 *   warm      waits ≥ 50 ms, and ≥ 1% of the run                                      copy ahead of time
 *   volatile  ≥ 50 files of ≤ 1 MiB that waited ≥ 1 ms each on average                no sync of each copy
 *
 * Below the thresholds a copy-up costs less than the change that avoids it.
 */
import { printable, printablePath } from './printable.js';
import type { CopiedFile, CopyUpCause, CopyUpProfile } from './profile.js';
import { shellWord } from './shell-word.js';
import { sortFiles } from './sort-files.js';
import { directoryOf, summarise, tally } from './summary.js';
import { writtenDirectories } from './written-directories.js';

export type AdviceRule = 'image' | 'metacopy' | 'volume' | 'split' | 'warm' | 'volatile';

export interface Advice {
  readonly rule: AdviceRule;
  readonly title: string;
  /** Why, with the numbers that justify it; sizes are bytes. */
  readonly because: AdviceFigures;
  readonly reason: string;
  /** Printable, the most costly first; at most PATHS_NAMED. */
  readonly paths: readonly string[];
  /** Where `command` belongs: typed in a shell, or a line of the image's Dockerfile. */
  readonly where: 'shell' | 'Dockerfile';
  readonly command: string;
}

/** What following the advice would have spared in this run. */
export interface AdviceFigures {
  readonly files: number;
  readonly bytes: number;
  readonly waitedMs?: number;
}

const MIB = 2 ** 20;
const PATHS_NAMED = 5;
const SHORT_ID = 12;
const IMAGE_BYTES = MIB;
const IMAGE_MS = 50;
const METACOPY_BYTES = 64 * MIB;
const METACOPY_SHARE = 0.25;
const VOLUME_BYTES = 16 * MIB;
const VOLUME_MS = 100;
const SPLIT_BYTES = 64 * MIB;
const SPLIT_AMPLIFICATION = 64;
const WARM_MS = 50;
const WARM_SHARE = 0.01;
const VOLATILE_FILES = 50;
const VOLATILE_FILE_BYTES = MIB;
const VOLATILE_MEAN_MS = 1;

const METADATA: readonly CopyUpCause[] = ['chmod', 'chown', 'xattr'];

/** The advice for a profile, in the order of the table above; empty where nothing is worth a change. */
export function advise(profile: CopyUpProfile): Advice[] {
  const data = profile.files.filter((file) => file.kind === 'file' && file.bytes > 0);
  const metadata = data.filter((file) => METADATA.includes(file.cause));
  const written = data.filter((file) => !METADATA.includes(file.cause));
  return [
    ...image(metadata),
    ...metacopy(metadata, data),
    ...volume(profile, written),
    ...split(profile, written),
    ...warm(profile, data),
    ...volatile(profile, data),
  ];
}

function image(metadata: readonly CopiedFile[]): Advice[] {
  const { bytes, waitedMs = 0 } = tally(metadata);
  if (bytes < IMAGE_BYTES && waitedMs < IMAGE_MS) return [];
  const causes = [...new Set(metadata.map((file) => file.cause))];
  const flags = [
    ...(causes.includes('chown') ? ['--chown=USER:GROUP'] : []),
    ...(causes.includes('chmod') ? ['--chmod=MODE'] : []),
  ];
  const place = shellWord({ path: heaviestDirectory(metadata) });
  return [
    made('image', metadata, {
      title: 'Set mode and owner in the image',
      reason: `${causes.join(' and ')} at run time: the kernel copies the whole file, although none of its data changes; what the image sets costs nothing here`,
      where: 'Dockerfile',
      command:
        flags.length === 0
          ? `RUN setfattr -n NAME -v VALUE ${shellWord(byCost(metadata)[0]!)}`
          : `COPY ${flags.join(' ')} SOURCE ${place === '/' ? place : `${place}/`}`,
    }),
  ];
}

function metacopy(metadata: readonly CopiedFile[], data: readonly CopiedFile[]): Advice[] {
  const { bytes } = tally(metadata);
  if (bytes < METACOPY_BYTES || bytes < METACOPY_SHARE * tally(data).bytes) return [];
  return [
    made('metacopy', metadata, {
      title: 'Where the image cannot be changed: metacopy',
      reason:
        'with metacopy=on the kernel copies only the attributes. gantry mounts with metacopy=off, so that a write layer stands on its own; the bench shows what another mount would gain on this host',
      command: 'gantry copyup bench',
    }),
  ];
}

function volume(profile: CopyUpProfile, written: readonly CopiedFile[]): Advice[] {
  const kept = written.filter((file) => file.gone !== true);
  const directories = writtenDirectories(kept).map((found) => ({ ...found, figures: tally(found.files) }));
  directories.sort((a, b) => b.figures.bytes - a.figures.bytes);
  return directories.flatMap(({ directory, files, figures: { bytes, waitedMs = 0 } }) => {
    if (bytes < VOLUME_BYTES && waitedMs < VOLUME_MS) return [];
    const name = [profile.container.name, ...directory.split('/').slice(-1)]
      .join('-')
      .replaceAll(/[^\w.-]+/g, '-')
      .replace(/^[^a-zA-Z0-9]+/, '');
    return [
      made('volume', files, {
        title: `Put ${printable(directory)} in a volume`,
        reason:
          'a new volume is filled from the image once; after that no container copies these files on its first write, and the data outlives the container',
        command: `gantry run -v ${shellWord({ path: `${name || 'data'}:${directory}` })} ${imageWord(profile)}`,
        paths: [printable(directory)],
      }),
    ];
  });
}

function split(profile: CopyUpProfile, written: readonly CopiedFile[]): Advice[] {
  const large = written.filter(
    ({ bytes, changed }) =>
      bytes >= SPLIT_BYTES && changed !== undefined && changed.block4k * SPLIT_AMPLIFICATION <= bytes,
  );
  if (large.length === 0) return [];
  return [
    made('split', large, {
      title: 'Keep what changes apart from what does not',
      reason: `the whole file is copied for the first byte written to it, and of these at most 1/${SPLIT_AMPLIFICATION} changed: where the program allows it, have it write smaller files, segments, or a log beside them (a database: its tablespace or segment settings)`,
      command: `gantry copyup report ${shellWord({ path: profile.container.name })} --sort amplification`,
    }),
  ];
}

function warm(profile: CopyUpProfile, data: readonly CopiedFile[]): Advice[] {
  // Where a renamed file is now there is none in the image.
  const waited = data.filter((file) => (file.durationMs ?? 0) > 0 && !file.gone && file.cause !== 'rename');
  const { waitedMs = 0 } = tally(waited);
  if (waitedMs < WARM_MS || (summarise(profile).runShare ?? 0) < WARM_SHARE) return [];
  // A command's words are UTF-8.
  const few = waited.length <= PATHS_NAMED && waited.every(({ pathBase64 }) => pathBase64 === undefined);
  const reason = 'copied before the start, and in parallel, these files cost the first write nothing';
  return [
    made('warm', waited, {
      title: 'Copy ahead of time',
      reason: few ? reason : `${reason}; CONTAINER is a new one of the image, of gantry create`,
      command: few
        ? `gantry run ${sortFiles(waited, 'time')
            .map((file) => `--warm ${shellWord(file)}`)
            .join(' ')} ${imageWord(profile)}`
        : `gantry copyup warm --from ${profile.container.id.slice(0, SHORT_ID)} CONTAINER`,
    }),
  ];
}

function volatile(profile: CopyUpProfile, data: readonly CopiedFile[]): Advice[] {
  const small = data.filter((file) => file.bytes <= VOLATILE_FILE_BYTES && file.durationMs !== undefined);
  const { waitedMs = 0 } = tally(small);
  if (small.length < VOLATILE_FILES || waitedMs < VOLATILE_MEAN_MS * small.length) return [];
  return [
    made('volatile', small, {
      title: 'Do without a sync for each copy',
      reason: `the kernel syncs every file it copies up, ${(waitedMs / small.length).toFixed(1)} ms a file here; a container whose write layer may be lost in a crash of the machine need not wait for that`,
      command: `gantry run --volatile ${imageWord(profile)}`,
    }),
  ];
}

interface Words {
  readonly title: string;
  readonly reason: string;
  readonly where?: 'Dockerfile';
  readonly command: string;
  readonly paths?: readonly string[];
}

function made(rule: AdviceRule, files: readonly CopiedFile[], words: Words): Advice {
  const { bytes, waitedMs } = tally(files);
  return {
    rule,
    title: words.title,
    because: { files: files.length, bytes, ...(waitedMs === undefined ? {} : { waitedMs }) },
    reason: words.reason,
    paths: words.paths ?? byCost(files).slice(0, PATHS_NAMED).map(printablePath),
    where: words.where ?? 'shell',
    command: words.command,
  };
}

const byCost = (files: readonly CopiedFile[]): CopiedFile[] =>
  [...files].sort((a, b) => b.bytes - a.bytes || (b.durationMs ?? 0) - (a.durationMs ?? 0));

const imageWord = ({ container }: CopyUpProfile): string => shellWord({ path: container.image || 'IMAGE' });

/** The directory that holds most of their bytes. */
function heaviestDirectory(files: readonly CopiedFile[]): string {
  const bytes = new Map<string, number>();
  for (const file of files) {
    const directory = directoryOf(file.path);
    bytes.set(directory, (bytes.get(directory) ?? 0) + file.bytes);
  }
  return [...bytes].sort(([, a], [, b]) => b - a)[0]![0];
}
