/** `gantry ps [OPTIONS]`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { command, filterOption, formatOption } from '../command.js';
import { CONTAINER_HEADERS, containerRow, sizeText } from '../render/container-row.js';
import { renderList } from '../render/list.js';
import { portsText } from '../render/ports.js';
import { openSessionStore, type Session } from '../session.js';

interface PsFlags {
  readonly all?: boolean;
  readonly filter?: readonly string[];
  readonly format?: string;
  readonly last?: number;
  readonly latest?: boolean;
  readonly trunc: boolean;
  readonly quiet?: boolean;
  readonly size?: boolean;
}

export const psCommand = (session: Session): Command =>
  command('ps', 'List containers')
    .option('-a, --all', 'Show all containers (default shows just running)')
    .addOption(filterOption('-f, --filter'))
    .addOption(formatOption())
    .addOption(
      new Option('-n, --last <int>', 'Show n last created containers (includes all states)').argParser(count),
    )
    .option('-l, --latest', 'Show the latest created container (includes all states)')
    .option('--no-trunc', "Don't truncate output")
    .option('-q, --quiet', 'Only display container IDs')
    .option('-s, --size', 'Display total file sizes')
    .action((flags: PsFlags) => showContainers(session, flags));

async function showContainers(session: Session, flags: PsFlags): Promise<void> {
  const { listContainers } = await import('../../engine/containers.js');
  const { containerPorts } = await import('../../engine/network-settings.js');
  const { containerFilter } = await import('../../engine/container-filters.js');
  const { parseFilters } = await import('../../engine/filters.js');
  const store = await openSessionStore(session);
  const filters = parseFilters(flags.filter ?? []);
  const matches = containerFilter(store, filters);
  const last = flags.latest ? 1 : flags.last;
  const everyState =
    flags.all === true || last !== undefined || filters.has('status') || filters.has('exited');
  const records = (await listContainers(store))
    .filter((record) => (everyState || record.State.Running || record.State.Restarting) && matches(record))
    .slice(0, last);
  const sizes = flags.size || /\.Size\b/.test(flags.format ?? '') ? await sizeTexts() : undefined;
  const now = Date.now();
  const rows = records.map((record) => ({
    ...containerRow(record, { trunc: flags.trunc, now }),
    Ports: portsText(containerPorts(record)),
    ...(sizes === undefined ? {} : { Size: sizes(record) }),
  }));
  const columns = ['ID', 'Image', 'Command', 'RunningFor', 'Status', 'Ports', 'Names'];
  session.out(
    renderList(rows, {
      headers: CONTAINER_HEADERS,
      columns: flags.size ? [...columns, 'Size'] : columns,
      format: flags.format,
      only: flags.quiet ? 'ID' : undefined,
    }),
  );

  async function sizeTexts() {
    const { writeLayerSize } = await import('../../engine/write-layer-size.js');
    const { imageSize } = await import('../../engine/image-index.js');
    return ({ ID, Image }: (typeof records)[number]) => {
      const image = store.images.get(Image);
      return sizeText(writeLayerSize(store, ID), image === undefined ? 0 : imageSize(store, image));
    };
  }
}

function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a number');
  return Number(text);
}
