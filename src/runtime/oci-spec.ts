/** The part of an OCI runtime bundle's `config.json` (runtime-spec 1.0.2) that gantry writes. */
export interface RuntimeSpec {
  readonly ociVersion: '1.0.2';
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly process: ProcessSpec;
  readonly mounts: readonly MountSpec[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: LinuxSpec;
}

export interface ProcessSpec {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: UserSpec;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Readonly<
    Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', readonly string[]>
  >;
  readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number;
}

export interface UserSpec {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

export interface MountSpec {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface LinuxSpec {
  readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
  readonly cgroupsPath: string;
  readonly resources: Resources;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly devices: readonly DeviceSpec[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly rootfsPropagation?: string;
  readonly seccomp?: SeccompSpec;
}

export interface Resources {
  readonly devices: readonly DeviceRule[];
  readonly memory?: {
    readonly limit?: number;
    readonly swap?: number;
    readonly reservation?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: BlockIoSpec;
}

export interface DeviceRule {
  readonly allow: boolean;
  /** `a` is all, as without. */
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

interface DeviceThrottle {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

export interface BlockIoSpec {
  readonly weight?: number;
  readonly weightDevice?: readonly {
    readonly major: number;
    readonly minor: number;
    readonly weight: number;
  }[];
  readonly throttleReadBpsDevice?: readonly DeviceThrottle[];
  readonly throttleWriteBpsDevice?: readonly DeviceThrottle[];
  readonly throttleReadIOPSDevice?: readonly DeviceThrottle[];
  readonly throttleWriteIOPSDevice?: readonly DeviceThrottle[];
}

export interface DeviceSpec {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SeccompSpec {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: number;
    readonly valueTwo?: number;
    readonly op: string;
  }[];
}
