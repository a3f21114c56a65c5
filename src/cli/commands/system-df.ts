/** `gantry system df [-v]`: what images and containers take. */
import type { Command } from 'commander';
import type { DiskUsage } from '../../engine/disk-usage.js';
import type { ContainerRecord } from '../../runtime/container-record.js';
import { command, formatOption } from '../command.js';
import { CONTAINER_HEADERS, containerRow } from '../render/container-row.js';
import { renderList } from '../render/list.js';
import { humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';
import { IMAGE_HEADERS, imageRows } from './images.js';

interface DfFlags {
  readonly verbose?: boolean;
  readonly format?: string;
}

const HEADERS = {
  Type: 'TYPE',
  TotalCount: 'TOTAL',
  Active: 'ACTIVE',
  Size: 'SIZE',
  Reclaimable: 'RECLAIMABLE',
};

export const dfCommand = (session: Session): Command =>
  command('df', 'Show disk usage')
    .addOption(formatOption())
    .option('-v, --verbose', 'Show detailed information on space usage')
    .action((flags: DfFlags) => showUsage(session, flags));

interface SizedContainer {
  readonly record: ContainerRecord;
  readonly written: number;
}

async function showUsage(session: Session, flags: DfFlags): Promise<void> {
  const { diskUsage } = await import('../../engine/disk-usage.js');
  const { listContainers } = await import('../../engine/containers.js');
  const { writeLayerSize } = await import('../../engine/write-layer-size.js');
  const { containerUses } = await import('../../engine/container-use.js');
  const store = await openSessionStore(session);
  const containers = (await listContainers(store)).map((record) => ({
    record,
    written: writeLayerSize(store, record.ID),
  }));
  const usage = diskUsage(store, await containerUses(store));
  if (flags.verbose) session.out(verbose(usage, containers));
  else {
    const columns = Object.keys(HEADERS);
    session.out(renderList(summary(usage, containers), { headers: HEADERS, columns, format: flags.format }));
  }
}

function summary(usage: DiskUsage, containers: readonly SizedContainer[]) {
  const bytes = (list: readonly SizedContainer[]) =>
    list.reduce((sum, container) => sum + container.written, 0);
  const stopped = containers.filter((container) => !container.record.State.Running);
  return [
    row('Images', usage.images.length, usage.activeImages, usage.layersSize, usage.reclaimable),
    row(
      'Containers',
      containers.length,
      containers.length - stopped.length,
      bytes(containers),
      bytes(stopped),
    ),
  ];
}

function row(Type: string, total: number, active: number, size: number, reclaimable: number) {
  const share = size > 0 ? ` (${Math.floor((100 * reclaimable) / size)}%)` : '';
  return {
    Type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(size),
    Reclaimable: `${humanSize(reclaimable)}${share}`,
  };
}

function verbose(usage: DiskUsage, containers: readonly SizedContainer[]): string {
  const now = Date.now();
  const images = usage.images.flatMap((image) =>
    imageRows(image, false, true, now).map((row) => ({
      ...row,
      SharedSize: humanSize(image.shared),
      UniqueSize: humanSize(image.unique),
      Containers: String(image.containers),
    })),
  );
  const imageColumns = [
    'Repository',
    'Tag',
    'ID',
    'CreatedSince',
    'Size',
    'SharedSize',
    'UniqueSize',
    'Containers',
  ];
  const containerColumns = ['ID', 'Image', 'Command', 'Size', 'RunningFor', 'Status', 'Names'];
  return [
    'Images space usage:\n\n',
    renderList(images, { headers: IMAGE_HEADERS, columns: imageColumns }),
    '\nContainers space usage:\n\n',
    renderList(
      containers.map(({ record, written }) =>
        containerRow(record, { trunc: true, now, size: humanSize(written, 3) }),
      ),
      {
        headers: CONTAINER_HEADERS,
        columns: containerColumns,
      },
    ),
    usage.unreferenced > 0
      ? `\nLayers without an image: ${humanSize(usage.unreferenced)} (gantry system prune removes them)\n`
      : '',
  ].join('');
}
