/**
 * A container as an OCI bundle: Docker's defaults (namespaces, capabilities, masked paths, mounts) and the container's
 * own settings to `config.json`. A pure function; the facts of the host come in.
 *
 * Invariant: inheritable and ambient capabilities are empty (CVE-2022-24769), and only root has effective ones.
 */

import { blockIo } from './block-io.js';
import { capabilitiesFor } from './capabilities.js';
import type { CgroupLayout } from './cgroup-layout.js';
import { cgroupsPath } from './cgroup-layout.js';
import type { ContainerSettings, HostConfig } from './create-request.js';
import { deviceRule } from './flags/device.js';
import { invalid } from './flags/invalid.js';
import { securityOption } from './flags/security.js';
import { processArgs, processEnv } from './image-defaults.js';
import { ipcMounts, namespaces } from './namespaces.js';
import { networkMode } from './network-mode.js';
import type { DeviceRule, DeviceSpec, MountSpec, ProcessSpec, RuntimeSpec, SeccompSpec } from './oci-spec.js';
import { resources } from './resources.js';
import { resolveSeccomp } from './seccomp.js';
import type { ResolvedUser } from './user.js';

const MASKED = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
/** Where `--init` puts the reaper, as in Docker. */
export const INIT_PATH = '/sbin/docker-init';

export interface HostFacts {
  readonly cgroups: CgroupLayout;
  /** This process's capability bounding set. */
  readonly bounding: bigint;
  readonly arch: string;
  readonly kernel: string;
  /** All of them, for `--privileged`; else those at or below a path. Throws when there are none there. */
  devices(path?: string): readonly DeviceSpec[];
}

export interface BundleInput {
  readonly id: string;
  readonly rootfs: string;
  /** With the image's defaults applied. */
  readonly settings: ContainerSettings;
  readonly hostConfig: HostConfig;
  readonly user: ResolvedUser;
  /** Binds, volumes and tmpfs that were asked for, with sources on the host. */
  readonly mounts: readonly MountSpec[];
  /** `hostname`, `hosts` and `resolv.conf` on the host. */
  readonly networkFiles: Readonly<Record<'hostname' | 'hosts' | 'resolv.conf', string>>;
  /** The default profile, read by the caller. */
  readonly defaultSeccomp: unknown;
  /** The host's path of the reaper, for `--init`. */
  readonly init?: string;
  readonly consoleSize?: { readonly rows: number; readonly columns: number };
  /** A network namespace that is there already; without it the runtime makes one with loopback alone. */
  readonly networkNamespace?: string;
  readonly host: HostFacts;
}

function systemMounts(host: HostConfig, cgroups: CgroupLayout): MountSpec[] {
  const mode = host.Privileged ? 'rw' : 'ro';
  const plain = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: plain },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...plain, mode] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: cgroups.version === 'v2' ? [...plain, mode] : [...plain, 'relatime', mode],
    },
    ...ipcMounts(host),
  ];
}

/** Parents before what lies in them, and the user's own in place of ours. */
function allMounts(input: BundleInput): MountSpec[] {
  const files = Object.entries(input.networkFiles).map(([name, source]) => ({
    destination: `/etc/${name}`,
    type: 'bind',
    source,
    options: ['rbind', 'rprivate'],
  }));
  const init: MountSpec[] = input.init
    ? [{ destination: INIT_PATH, type: 'bind', source: input.init, options: ['bind', 'ro'] }]
    : [];
  const own = [...input.mounts].sort(
    (a, b) => a.destination.split('/').length - b.destination.split('/').length,
  );
  const taken = new Set(own.map((mount) => mount.destination));
  const ours = [...systemMounts(input.hostConfig, input.host.cgroups), ...files, ...init];
  return [...ours.filter((mount) => !taken.has(mount.destination)), ...own];
}

function seccomp(input: BundleInput, capabilities: readonly string[]): SeccompSpec | undefined {
  const asked = securityOption(input.hostConfig, 'seccomp');
  if (asked === 'unconfined' || (asked === undefined && input.hostConfig.Privileged)) return undefined;
  const { arch, kernel } = input.host;
  if (asked === undefined || asked === 'builtin') {
    return resolveSeccomp(input.defaultSeccomp, { capabilities, arch, kernel });
  }
  try {
    return resolveSeccomp(JSON.parse(asked), { capabilities, arch, kernel });
  } catch (cause) {
    throw invalid(`decoding seccomp profile failed: ${(cause as Error).message}`);
  }
}

function processOf(input: BundleInput, hostname: string, bounding: readonly string[]): ProcessSpec {
  const { settings, hostConfig, user, consoleSize } = input;
  const env = processEnv(settings, hostname);
  const root = user.uid === 0 ? bounding : [];
  const noNewPrivileges = securityOption(hostConfig, 'no-new-privileges');
  const args = processArgs(settings);
  return {
    terminal: settings.Tty ?? false,
    ...(settings.Tty && consoleSize
      ? { consoleSize: { height: consoleSize.rows, width: consoleSize.columns } }
      : {}),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args: input.init === undefined ? args : [INIT_PATH, '--', ...args],
    env: env.some((entry) => entry.startsWith('HOME=')) ? env : [...env, `HOME=${user.home}`],
    cwd: settings.WorkingDir || '/',
    capabilities: { bounding, effective: root, permitted: root, inheritable: [], ambient: [] },
    rlimits: (hostConfig.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({
      type: `RLIMIT_${Name.toUpperCase()}`,
      soft: unlimited(Soft),
      hard: unlimited(Hard),
    })),
    noNewPrivileges: noNewPrivileges !== undefined && noNewPrivileges !== 'false',
    ...(hostConfig.OomScoreAdj ? { oomScoreAdj: hostConfig.OomScoreAdj } : {}),
  };
}

/** RLIM_INFINITY is not a safe integer of JSON's numbers in JavaScript; `specText` writes it out. */
const INFINITY_MARK = Number.MAX_SAFE_INTEGER;
const unlimited = (value: number): number => (value === -1 ? INFINITY_MARK : value);

/** Nodes, and what may be done with them. */
function givenDevices(
  hostConfig: HostConfig,
  host: HostFacts,
): { readonly devices: readonly DeviceSpec[]; readonly rules: readonly DeviceRule[] } {
  const asked = (hostConfig.Devices ?? []).flatMap(({ PathOnHost, PathInContainer, CgroupPermissions }) =>
    host.devices(PathOnHost).map((device) => ({
      device: { ...device, path: PathInContainer + device.path.slice(PathOnHost.length) },
      access: CgroupPermissions,
    })),
  );
  const nodes = [...(hostConfig.Privileged ? host.devices() : []), ...asked.map(({ device }) => device)];
  const rules = asked.map(({ device: { type, major, minor }, access }) => ({
    allow: true,
    type,
    major,
    minor,
    access,
  }));
  return {
    devices: [...new Map(nodes.map((node) => [node.path, node])).values()],
    rules: hostConfig.Privileged ? [] : [...rules, ...(hostConfig.DeviceCgroupRules ?? []).map(deviceRule)],
  };
}

/** As Docker does it, everybody may listen on every port and send pings in a network of the container's own. */
const OPEN_NETWORK = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

function sysctls(
  { Sysctls, NetworkMode, Privileged }: HostConfig,
  { Domainname }: ContainerSettings,
): Readonly<Record<string, string>> {
  const { kind } = networkMode(NetworkMode);
  return {
    ...(kind === 'host' || kind === 'container' || Privileged ? {} : OPEN_NETWORK),
    ...(Domainname ? { 'kernel.domainname': Domainname } : {}),
    ...Sysctls,
  };
}

/** The bundle's `config.json`, and what of the request the host cannot do. */
export function bundle(input: BundleInput): {
  readonly spec: RuntimeSpec;
  readonly warnings: readonly string[];
} {
  const { hostConfig, host, settings } = input;
  const hostname = settings.Hostname || input.id.slice(0, 12);
  const bounding = capabilitiesFor({
    add: hostConfig.CapAdd ?? [],
    drop: hostConfig.CapDrop ?? [],
    privileged: hostConfig.Privileged,
    bounding: host.bounding,
  });
  const limits = resources(hostConfig, host.cgroups);
  const profile = seccomp(input, bounding);
  const io = blockIo(hostConfig, host.cgroups, (path) => host.devices(path)[0]!);
  const given = givenDevices(hostConfig, host);
  const sysctl = sysctls(hostConfig, settings);

  const shared = input.mounts.some((mount) =>
    mount.options.some((option) => /^r?(shared|slave)$/.test(option)),
  );
  return {
    warnings: [...limits.warnings, ...io.warnings],
    spec: {
      ociVersion: '1.0.2',
      root: { path: input.rootfs, readonly: hostConfig.ReadonlyRootfs },
      ...(hostConfig.UTSMode === 'host' ? {} : { hostname }),
      process: processOf(input, hostname, bounding),
      mounts: allMounts(input),
      annotations: hostConfig.Annotations ?? {},
      linux: {
        namespaces: namespaces(hostConfig, host.cgroups, input.networkNamespace),
        cgroupsPath: cgroupsPath(input.id),
        resources: {
          ...limits.resources,
          devices: [...limits.resources.devices, ...given.rules],
          ...(io.blockIO === undefined ? {} : { blockIO: io.blockIO }),
        },
        ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
        devices: given.devices,
        maskedPaths: hostConfig.Privileged ? [] : (hostConfig.MaskedPaths ?? MASKED),
        readonlyPaths: hostConfig.Privileged ? [] : (hostConfig.ReadonlyPaths ?? READONLY),
        ...(shared ? { rootfsPropagation: 'rslave' } : {}),
        ...(profile === undefined ? {} : { seccomp: profile }),
      },
    },
  };
}

/** The text of `config.json`: JSON, with RLIM_INFINITY as the 64-bit number that it is. */
export const specText = (spec: RuntimeSpec): string =>
  JSON.stringify(spec).replaceAll(`:${INFINITY_MARK}`, ':18446744073709551615');
