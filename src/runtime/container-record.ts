/**
 * `containers/<id>/config.v2.json`, in Docker's field names:
 *
 *   {"State":{…},"ID":"<64 hex>","Created":"2024-05-01T10:00:00.000000000Z","Path":"redis-server","Args":["--port","6379"],
 *    "Config":{"Hostname":"4f1c…","Env":[…],"Cmd":[…],"Image":"redis:latest",…},"Image":"sha256:<hex>","Name":"/calm_hopper",
 *    "Driver":"overlay2","MountPoints":{"/data":{"Type":"volume","Name":"<64 hex>",…}},"HostnamePath":"…/hostname",…}
 *
 * Fields that only Docker needs are written with its empty values, so that dockerd loads the container. Fields that
 * we do not know are kept when a record is read and written again.
 */
import type { ImageID } from '../core/digest/digest.js';
import type { ContainerID } from '../core/ids.js';
import type { ContainerState } from './container-state.js';
import type { ContainerSettings, EndpointSettings } from './create-request.js';

/** One of `MountPoints`, under its path in the container. */
export interface MountPoint {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  /** A volume's name. */
  readonly Name?: string;
  /** The directory or file on the host; empty for tmpfs. */
  readonly Source: string;
  readonly Destination: string;
  readonly RW: boolean;
  readonly Driver?: string;
  readonly Propagation: string;
  readonly Spec: { readonly Type: string; readonly Source?: string; readonly Target: string };
}

export interface ContainerRecord {
  readonly ID: ContainerID;
  readonly Name: string;
  readonly Created: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly State: ContainerState;
  readonly Config: ContainerSettings;
  readonly Image: ImageID;
  readonly Driver: string;
  readonly OS: string;
  readonly RestartCount: number;
  readonly HasBeenStartedBefore?: boolean;
  /** By `stop` or `kill`: no restart policy starts it again. */
  readonly HasBeenManuallyStopped?: boolean;
  /** Ours: how this program is called (`node …/gantry.js`) by who settles a detached container's end. */
  readonly Gantry?: readonly [string, ...string[]];
  /** Ours: milliseconds before the next restart by policy. */
  readonly RestartDelay?: number;
  /** Ours: the file that tells what each run used. */
  readonly StatsOnExit?: string;
  readonly MountPoints: Readonly<Record<string, MountPoint>>;
  /** The networks it is to be on, by name; where it is while it runs lies in /run (network/endpoint.ts). */
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, EndpointSettings>> };
  readonly LogPath: string;
  readonly HostnamePath: string;
  readonly HostsPath: string;
  readonly ResolvConfPath: string;
}

/** What dockerd expects beside our fields. */
export const DOCKER_EMPTY = {
  StreamConfig: {},
  Managed: false,
  HasBeenStartedBefore: false,
  HasBeenManuallyStopped: false,
  NetworkSettings: { Bridge: '', SandboxID: '', Ports: {}, Networks: {} },
  SecretReferences: null,
  ConfigReferences: null,
  MountLabel: '',
  ProcessLabel: '',
  AppArmorProfile: '',
  SeccompProfile: '',
  NoNewPrivileges: false,
  ShmPath: '',
} as const;

/** The name as a user writes it. */
export const plainName = (record: ContainerRecord): string => record.Name.replace(/^\//, '');
