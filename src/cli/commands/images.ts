/** `gantry images [OPTIONS] [REPOSITORY[:TAG]]`: a line for each name of each image. */
import type { Command } from 'commander';
import { shortID } from '../../core/digest/digest.js';
import type { ImageSummary } from '../../engine/images.js';
import { command, filterOption, formatOption } from '../command.js';
import { type Row, renderList } from '../render/list.js';
import { ago, goTime, humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

interface ImagesFlags {
  readonly all?: boolean;
  readonly digests?: boolean;
  readonly filter?: readonly string[];
  readonly format?: string;
  readonly trunc: boolean;
  readonly quiet?: boolean;
}

export const IMAGE_HEADERS = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Containers: 'CONTAINERS',
  VirtualSize: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
};

export const imagesCommand = (session: Session): Command =>
  command('images', 'List images', '[OPTIONS] [REPOSITORY[:TAG]]')
    .argument('[REPOSITORY[:TAG]]')
    .option('-a, --all', 'Show all images (default hides intermediate images)')
    .option('--digests', 'Show digests')
    .addOption(filterOption('-f, --filter'))
    .addOption(formatOption())
    .option('--no-trunc', "Don't truncate output")
    .option('-q, --quiet', 'Only show image IDs')
    .action((reference: string | undefined, flags: ImagesFlags) => showImages(session, reference, flags));

async function showImages(
  session: Session,
  reference: string | undefined,
  flags: ImagesFlags,
): Promise<void> {
  const { listImages } = await import('../../engine/images.js');
  const { parseFilters } = await import('../../engine/filters.js');
  const { images, corrupt } = listImages(await openSessionStore(session), {
    all: flags.all === true,
    filters: parseFilters(flags.filter ?? []),
    ...(reference === undefined ? {} : { reference }),
  });
  for (const error of corrupt) session.err(`gantry: warning: ${error.message}\n`);
  const withDigests = flags.digests === true || /\.Digest\b/.test(flags.format ?? '');
  const now = Date.now();
  const rows = images.flatMap((image) => imageRows(image, withDigests, flags.trunc, now));
  const columns = ['Repository', 'Tag', ...(flags.digests ? ['Digest'] : []), 'ID', 'CreatedSince', 'Size'];
  const only = flags.quiet ? 'ID' : undefined;
  session.out(renderList(rows, { headers: IMAGE_HEADERS, columns, format: flags.format, only }));
}

/** Each tag with each digest of its repository; a repository that has digests alone is one line. */
export function imageRows(image: ImageSummary, withDigests: boolean, trunc: boolean, now: number): Row[] {
  const repositories = new Map<string, { tags: string[]; digests: string[] }>();
  for (const [kind, separator] of [
    ['tags', ':'],
    ['digests', '@'],
  ] as const) {
    for (const name of image[kind]) {
      const at = name.lastIndexOf(separator, kind === 'digests' ? name.indexOf('@') : undefined);
      const entry = repositories.get(name.slice(0, at)) ?? { tags: [], digests: [] };
      entry[kind].push(name.slice(at + 1));
      repositories.set(name.slice(0, at), entry);
    }
  }
  if (repositories.size === 0) repositories.set('<none>', { tags: [], digests: [] });
  const size = humanSize(image.size, 3);
  return [...repositories].flatMap(([Repository, { tags, digests }]) =>
    (tags.length > 0 ? tags : ['<none>']).flatMap((Tag) =>
      (withDigests && digests.length > 0 ? digests : ['<none>']).map((Digest) => ({
        ID: trunc ? shortID(image.id) : image.id,
        Repository,
        Tag,
        Digest,
        CreatedSince: ago(image.config.created ?? undefined, now),
        CreatedAt: goTime(image.config.created ?? undefined),
        Size: size,
        VirtualSize: humanSize(image.size),
        Containers: 'N/A',
        SharedSize: 'N/A',
        UniqueSize: 'N/A',
      })),
    ),
  );
}
