/** A container as a line of `ps` and `system df -v`, in docker's words. */
import { shortID } from '../../core/digest/digest.js';
import { type ContainerRecord, plainName } from '../../runtime/container-record.js';
import { type ContainerState, statusOf } from '../../runtime/container-state.js';
import type { Row } from './list.js';
import { ago, ellipsis, goTime, humanDuration, humanSize } from './units.js';

export const CONTAINER_HEADERS = {
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Command: 'COMMAND',
  RunningFor: 'CREATED',
  CreatedAt: 'CREATED AT',
  Status: 'STATUS',
  State: 'STATE',
  Ports: 'PORTS',
  Names: 'NAMES',
  Size: 'SIZE',
  Labels: 'LABELS',
  LocalVolumes: 'LOCAL VOLUMES',
  Mounts: 'MOUNTS',
  Networks: 'NETWORKS',
};

const COMMAND_WIDTH = 20;
const MOUNT_WIDTH = 15;

export interface RowOptions {
  readonly trunc: boolean;
  readonly now: number;
  readonly size?: string;
}

export function containerRow(record: ContainerRecord, options: RowOptions): Row {
  const { trunc, now } = options;
  const command = [record.Path, ...record.Args].filter(Boolean).join(' ');
  return {
    ID: trunc ? shortID(record.ID) : record.ID,
    Image: record.Config.Image ?? record.Image,
    Command: `"${trunc ? ellipsis(command, COMMAND_WIDTH) : command}"`,
    RunningFor: ago(record.Created, now),
    CreatedAt: goTime(record.Created),
    Status: statusLine(record.State, now),
    State: statusOf(record.State),
    Ports: '',
    Names: plainName(record),
    Size: options.size ?? '0B',
    Labels: Object.entries(record.Config.Labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Mounts: Object.values(record.MountPoints ?? {})
      .map(({ Name, Source }) => (trunc ? ellipsis(Name ?? Source, MOUNT_WIDTH) : (Name ?? Source)))
      .join(','),
    LocalVolumes: String(
      Object.values(record.MountPoints ?? {}).filter(({ Driver }) => Driver === 'local').length,
    ),
    Networks: Object.keys(record.NetworkSettings?.Networks ?? {})
      .sort()
      .join(','),
  };
}

/** "0B (virtual 174MB)" */
export const sizeText = (written: number, image: number): string =>
  `${humanSize(written, 3)} (virtual ${humanSize(image + written, 3)})`;

/** "Up 5 minutes", "Exited (0) 2 hours ago" */
export function statusLine(state: ContainerState, now: number): string {
  const since = (time: string) => humanDuration(now - Date.parse(time));
  switch (statusOf(state)) {
    case 'created':
      return 'Created';
    case 'running':
      return `Up ${since(state.StartedAt)}${health(state)}`;
    case 'paused':
      return `Up ${since(state.StartedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.ExitCode}) ${since(state.FinishedAt)} ago`;
    case 'exited':
      return `Exited (${state.ExitCode}) ${since(state.FinishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
  }
}

function health({ Health }: ContainerState): string {
  if (Health === undefined) return '';
  return Health.Status === 'starting' ? ' (health: starting)' : ` (${Health.Status})`;
}
