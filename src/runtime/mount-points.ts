/**
 * What a container's request and image ask to be mounted, as Docker keeps it (`MountPoints`), and those as mounts of
 * the OCI bundle.
 *
 *   -v /h:/c:ro            bind     {Type:bind, Source:/h, RW:false, Propagation:rprivate}
 *   -v data:/c             volume   {Type:volume, Name:data}
 *   VOLUME /c, -v /c       volume   {Type:volume, Name:<64 hex>}, anonymous: Spec.Source is empty
 *   --volumes-from c       as of c; a volume has its name in Spec.Source, so it is never anonymous here
 *   --tmpfs, type=tmpfs    kept in HostConfig alone; `tmpfsMounts`
 */
import { mkdirSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import type { MountPoint } from './container-record.js';
import type { ContainerSettings, HostConfig, MountRequest } from './create-request.js';
import { invalid } from './flags/invalid.js';
import { checkTarget, parseBind } from './flags/volume.js';
import type { MountSpec } from './oci-spec.js';

interface Wanted extends MountPoint {
  /** A missing source is made (`-v`) or an error (`--mount`). */
  readonly makeSource: boolean;
  readonly copyImage: boolean;
}

const clean = (target: string): string => posix.normalize(target).replace(/(.)\/$/, '$1');

function fromBind(text: string): Wanted {
  const bind = parseBind(text);
  if (bind.kind === 'anonymous') throw invalid(`invalid volume specification: '${text}'`);
  return {
    Type: bind.kind,
    ...(bind.kind === 'volume' ? { Name: bind.source, Driver: 'local' } : {}),
    Source: bind.kind === 'bind' ? bind.source : '',
    Destination: bind.target,
    RW: !bind.readOnly,
    Propagation: bind.kind === 'bind' ? bind.propagation : '',
    Spec: { Type: bind.kind, Source: bind.source, Target: bind.target },
    makeSource: bind.kind === 'bind',
    copyImage: bind.kind === 'volume' && !bind.noCopy,
  };
}

function fromRequest(request: MountRequest, newName: () => string): Wanted {
  const Destination = clean(request.Target);
  const bind = request.Type === 'bind';
  return {
    Type: request.Type,
    ...(bind ? {} : { Name: request.Source || newName(), Driver: 'local' }),
    Source: bind ? request.Source! : '',
    Destination,
    RW: !request.ReadOnly,
    Propagation: bind ? (request.BindOptions?.Propagation ?? 'rprivate') : '',
    Spec: {
      Type: request.Type,
      ...(request.Source ? { Source: request.Source } : {}),
      Target: Destination,
    },
    makeSource: false,
    copyImage: !bind && !request.VolumeOptions?.NoCopy,
  };
}

function anonymous(target: string, newName: () => string): Wanted {
  const Destination = checkTarget(target, target);
  return {
    Type: 'volume',
    Name: newName(),
    Driver: 'local',
    Source: '',
    Destination,
    RW: true,
    Propagation: '',
    Spec: { Type: 'volume', Target: Destination },
    makeSource: false,
    copyImage: true,
  };
}

/** Another container's: it does not become ours, so that it stays when we go. */
const fromContainer = (point: MountPoint): Wanted => ({
  ...point,
  Spec: { ...point.Spec, Source: point.Name ?? point.Source },
  makeSource: false,
  copyImage: false,
});

/**
 * Every bind and volume; what is asked for goes over what is `inherited` from other containers. Throws
 * ERR_INVALID_ARGUMENT when two want one place.
 */
export function wantedMounts(
  settings: ContainerSettings,
  hostConfig: HostConfig,
  newName: () => string,
  inherited: readonly MountPoint[] = [],
): readonly Wanted[] {
  const asked = [
    ...(hostConfig.Binds ?? []).map(fromBind),
    ...(hostConfig.Mounts ?? [])
      .filter((request) => request.Type !== 'tmpfs')
      .map((request) => fromRequest(request, newName)),
  ];
  const tmpfs = tmpfsMounts(hostConfig).map((mount) => mount.destination);
  const taken = new Set<string>(tmpfs);
  for (const { Destination } of asked) {
    if (taken.has(Destination)) throw invalid(`Duplicate mount point: ${Destination}`);
    taken.add(Destination);
  }
  const others = new Map(inherited.map((point) => [point.Destination, fromContainer(point)]));
  for (const target of taken) others.delete(target);
  for (const target of others.keys()) taken.add(target);
  const left = Object.keys(settings.Volumes ?? {}).filter((target) => !taken.has(clean(target)));
  return [...asked, ...others.values(), ...left.map((target) => anonymous(target, newName))];
}

/** Resolves a bind's source on the host; made as a directory where `-v` names one that is not there. */
export function prepareBind(wanted: Wanted): void {
  try {
    statSync(wanted.Source);
  } catch {
    if (!wanted.makeSource) {
      throw invalid(
        `invalid mount config for type "bind": bind source path does not exist: ${wanted.Source}`,
      );
    }
    mkdirSync(wanted.Source, { recursive: true, mode: 0o755 });
  }
}

/** The part that is kept. */
export function mountPoint(
  { makeSource: _make, copyImage: _copy, ...point }: Wanted,
  source: string,
): MountPoint {
  return { ...point, Source: source };
}

export const isAnonymousVolume = (point: MountPoint): boolean =>
  point.Type === 'volume' && !point.Spec.Source && /^[0-9a-f]{64}$/.test(point.Name ?? '');

export const bindMount = (point: MountPoint): MountSpec => ({
  destination: point.Destination,
  type: 'bind',
  source: point.Source,
  options: ['rbind', point.RW ? 'rw' : 'ro', point.Propagation || 'rprivate'],
});

/** `--tmpfs` and `--mount type=tmpfs`. */
export function tmpfsMounts(hostConfig: HostConfig): MountSpec[] {
  const plain = ['noexec', 'nosuid', 'nodev'];
  const flags = Object.entries(hostConfig.Tmpfs ?? {}).map(([target, text]) => {
    const own = text === '' ? [] : text.split(',');
    // A default holds unless its opposite is asked for.
    const defaults = plain.filter((option) => !own.includes(option.slice(2)) && !own.includes(option));
    return tmpfs(clean(target), [...defaults, ...own]);
  });
  const mounts = (hostConfig.Mounts ?? []).flatMap((request) => {
    if (request.Type !== 'tmpfs') return [];
    const { SizeBytes, Mode } = request.TmpfsOptions ?? {};
    return tmpfs(clean(request.Target), [
      ...plain,
      ...(request.ReadOnly ? ['ro'] : []),
      ...(SizeBytes ? [`size=${SizeBytes}`] : []),
      ...(Mode === undefined ? [] : [`mode=${Mode.toString(8)}`]),
    ]);
  });
  return [...flags, ...mounts];
}

const tmpfs = (destination: string, options: readonly string[]): MountSpec => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options,
});
