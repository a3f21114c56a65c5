/**
 * Docker's create request (`POST /containers/create`): what `run` is asked to do. Config goes to the process and is
 * kept in config.v2.json, HostConfig to the machine and is kept in hostconfig.json; both under Docker's field names,
 * so that Docker's own tools read them and the Engine API passes them through.
 */
import type { ContainerConfig } from '../core/oci/image-config.js';

export interface CreateRequest {
  readonly name?: string;
  /** Ours: an absolute path, written at each end with what the run used. */
  readonly statsOnExit?: string;
  readonly config: ContainerSettings;
  readonly hostConfig: HostConfig;
  /** By name or id; the first is NetworkMode's. Without it the container is on that one alone. */
  readonly networkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, EndpointSettings>> };
  /** Paths and globs inside the container, to be copied up before it starts. */
  readonly warm?: readonly string[];
}

/** The image config's fields, completed by those that only a container has. */
export interface ContainerSettings extends ContainerConfig {
  readonly Domainname?: string;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  /** The image as the user named it. */
  readonly Image?: string;
  /** Seconds. */
  readonly StopTimeout?: number;
}

export interface HostConfig {
  /** `-v` texts with a host path or a volume's name, as given. */
  readonly Binds?: readonly string[];
  readonly Mounts?: readonly MountRequest[];
  readonly Tmpfs?: Readonly<Record<string, string>>;
  /** `CONTAINER[:ro|rw]` */
  readonly VolumesFrom?: readonly string[] | null;
  /** A file that gets the id. */
  readonly ContainerIDFile?: string;
  /** Ours: the write layer is mounted without syncing. */
  readonly Volatile?: boolean;
  /** As network-mode.ts tells. */
  readonly NetworkMode: string;
  /** By `80/tcp`; an empty HostPort asks for a free one. */
  readonly PortBindings?: Readonly<Record<string, readonly PortBinding[]>>;
  /** Every exposed port that has no binding gets a free one. */
  readonly PublishAllPorts?: boolean;
  readonly AutoRemove: boolean;
  readonly Privileged: boolean;
  readonly ReadonlyRootfs: boolean;
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly GroupAdd?: readonly string[];
  readonly SecurityOpt?: readonly string[];
  /** `HOST:ADDRESS`, `HOST:host-gateway` */
  readonly ExtraHosts?: readonly string[];
  readonly Dns?: readonly string[];
  readonly DnsSearch?: readonly string[];
  readonly DnsOptions?: readonly string[];
  readonly Sysctls?: Readonly<Record<string, string>>;
  /** `host`, or empty for one of its own; IpcMode is `private`, `none` or `host`. */
  readonly PidMode?: string;
  readonly IpcMode?: string;
  readonly UTSMode?: string;
  readonly UsernsMode?: string;
  readonly CgroupnsMode?: string;
  readonly Devices?: readonly DeviceMapping[];
  /** `c 42:* rmw` */
  readonly DeviceCgroupRules?: readonly string[] | null;
  readonly Ulimits?: readonly Ulimit[];
  readonly Init?: boolean;
  /** Bytes; 0 = no limit. MemorySwap is memory plus swap, -1 without limit, 0 = twice the memory. */
  readonly Memory: number;
  readonly MemorySwap: number;
  readonly MemoryReservation: number;
  readonly MemorySwappiness?: number | null;
  readonly OomKillDisable?: boolean | null;
  readonly OomScoreAdj?: number;
  /** In place of a period and quota of one's own, which are in microseconds. */
  readonly NanoCpus: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly CpuShares: number;
  readonly CpusetCpus: string;
  readonly CpusetMems: string;
  readonly PidsLimit?: number;
  readonly BlkioWeight?: number;
  readonly BlkioWeightDevice?: readonly { readonly Path: string; readonly Weight: number }[];
  readonly BlkioDeviceReadBps?: readonly DeviceRate[];
  readonly BlkioDeviceWriteBps?: readonly DeviceRate[];
  readonly BlkioDeviceReadIOps?: readonly DeviceRate[];
  readonly BlkioDeviceWriteIOps?: readonly DeviceRate[];
  /** Bytes; 0 = 64 MiB. */
  readonly ShmSize: number;
  readonly Runtime?: string;
  readonly RestartPolicy?: { readonly Name: string; readonly MaximumRetryCount: number };
  readonly LogConfig?: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  readonly Annotations?: Readonly<Record<string, string>>;
  readonly MaskedPaths?: readonly string[] | null;
  readonly ReadonlyPaths?: readonly string[] | null;
}

/** What was asked for on one network. */
export interface EndpointSettings {
  readonly IPAMConfig?: { readonly IPv4Address?: string } | null;
  /** Names beside its own, on this network. */
  readonly Aliases?: readonly string[] | null;
  readonly MacAddress?: string;
}

export interface PortBinding {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

/** Bytes or operations a second. */
export interface DeviceRate {
  readonly Path: string;
  readonly Rate: number;
}

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export interface MountRequest {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: { readonly Propagation?: string; readonly NonRecursive?: boolean };
  readonly VolumeOptions?: { readonly NoCopy?: boolean };
  readonly TmpfsOptions?: { readonly SizeBytes?: number; readonly Mode?: number };
}
