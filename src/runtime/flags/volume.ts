/**
 * Where a container's extra mounts are asked for:
 *
 *   -v /src:/dst[:ro,z,rshared…]   bind, its source made when missing      → HostConfig.Binds
 *   -v name:/dst[:ro,nocopy]       named volume                            → HostConfig.Binds
 *   -v /dst                        anonymous volume                        → Config.Volumes
 *   --mount type=bind|volume|tmpfs,source=…,target=…                       → HostConfig.Mounts
 *   --tmpfs /dst[:size=64m,mode=1777,…]                                    → HostConfig.Tmpfs
 *
 * `-v` texts are kept as given and read again at start, as Docker does; `parseBind` is that reading.
 */
import { posix } from 'node:path';
import type { MountRequest } from '../create-request.js';
import { invalid, invalidFlag } from './invalid.js';
import { parseSize } from './size.js';

export interface Bind {
  /** Absolute host path, or a volume's name. */
  readonly source: string;
  readonly kind: 'bind' | 'volume';
  readonly target: string;
  readonly readOnly: boolean;
  readonly noCopy: boolean;
  readonly propagation: string;
}

const PROPAGATION = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** An absolute path in the container, not its root, made plain. `spec` is what the user wrote. */
export function checkTarget(target: string, spec: string): string {
  const what = `invalid volume specification: '${spec}': invalid mount config for type`;
  if (!target.startsWith('/'))
    throw invalid(`${what} "bind": invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(.)\/$/, '$1');
  if (clean === '/') throw invalid(`${what} "bind": invalid specification: destination can't be '/'`);
  return clean;
}

/** A name that becomes a directory under `volumes/`. */
export function checkVolumeName(name: string): string {
  if (VOLUME_NAME.test(name)) return name;
  throw invalid(
    `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

function mode(options: string, spec: string): Pick<Bind, 'readOnly' | 'noCopy' | 'propagation'> {
  const words = options === '' ? [] : options.split(',');
  for (const word of words) {
    if (!['ro', 'rw', 'z', 'Z', 'nocopy', ...PROPAGATION].includes(word)) {
      throw invalid(`invalid mode: ${options}`, `found in volume ${JSON.stringify(spec)}`);
    }
  }
  return {
    readOnly: words.includes('ro'),
    noCopy: words.includes('nocopy'),
    propagation: words.find((word) => PROPAGATION.includes(word)) ?? 'rprivate',
  };
}

/** One `-v`. A text without a source is an anonymous volume: only its target comes back. */
export function parseBind(spec: string): Bind | { readonly kind: 'anonymous'; readonly target: string } {
  const parts = spec.split(':');
  if (parts.some((part) => part === '')) throw invalid(`invalid spec: ${spec}: empty section between colons`);
  const [first, second, third] = parts as [string, string?, string?];
  if (parts.length > 3) throw invalid(`invalid volume specification: '${spec}'`);
  if (second === undefined) return { kind: 'anonymous', target: checkTarget(first, spec) };
  const kind = first.startsWith('/') ? 'bind' : 'volume';
  return {
    kind,
    source: kind === 'bind' ? posix.normalize(first) : checkVolumeName(first),
    target: checkTarget(second, spec),
    ...mode(third ?? '', spec),
  };
}

/** `./src` and `~`-less relative paths of `-v`, which Docker's CLI takes from the working directory. */
export function absoluteBind(spec: string, cwd: string): string {
  return /^\.{1,2}(\/|:)/.test(spec)
    ? posix.join(cwd, spec.split(':')[0]!) + spec.slice(spec.indexOf(':'))
    : spec;
}

const boolean = (key: string, value: string | undefined): boolean => {
  if (value === undefined || value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw invalid(`invalid value for ${key}: ${value}`);
};

/** One `--mount`: comma-separated `key=value`. */
export function parseMount(spec: string): MountRequest {
  const wrong = (why: string) => invalidFlag(spec, '--mount', why);
  const fields = new Map<string, string | undefined>();
  for (const field of spec.split(',')) {
    const at = field.indexOf('=');
    fields.set((at < 0 ? field : field.slice(0, at)).toLowerCase(), at < 0 ? undefined : field.slice(at + 1));
  }
  const request: { -readonly [K in keyof MountRequest]: MountRequest[K] } = { Type: 'volume', Target: '' };
  for (const [key, value] of fields) {
    if (value === undefined && !['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive'].includes(key)) {
      throw wrong(`invalid field '${key}' must be a key=value pair`);
    }
    switch (key) {
      case 'type':
        if (value !== 'bind' && value !== 'volume' && value !== 'tmpfs') {
          throw wrong(`mount type unknown: ${JSON.stringify(value)}`);
        }
        request.Type = value;
        break;
      case 'source':
      case 'src':
        request.Source = value!;
        break;
      case 'target':
      case 'destination':
      case 'dst':
        request.Target = value!;
        break;
      case 'readonly':
      case 'ro':
        request.ReadOnly = boolean(key, value);
        break;
      case 'bind-propagation':
        if (!PROPAGATION.includes(value!)) throw wrong(`invalid propagation mode: ${value}`);
        request.BindOptions = { ...request.BindOptions, Propagation: value! };
        break;
      case 'bind-nonrecursive':
        request.BindOptions = { ...request.BindOptions, NonRecursive: boolean(key, value) };
        break;
      case 'volume-nocopy':
        request.VolumeOptions = { NoCopy: boolean(key, value) };
        break;
      case 'tmpfs-size':
        request.TmpfsOptions = { ...request.TmpfsOptions, SizeBytes: parseSize(value!) };
        break;
      case 'tmpfs-mode':
        if (!/^[0-7]+$/.test(value!)) throw wrong(`invalid value for ${key}: ${value}`);
        request.TmpfsOptions = { ...request.TmpfsOptions, Mode: Number.parseInt(value!, 8) };
        break;
      default:
        throw wrong(`unexpected key '${key}' in '${key}=${value}'`);
    }
  }
  return checkMount(request, wrong);
}

function checkMount(request: MountRequest, wrong: (why: string) => Error): MountRequest {
  const { Type, Source, Target } = request;
  if (Target === '') throw wrong('target is required');
  const what = `invalid mount config for type ${JSON.stringify(Type)}`;
  if (!Target.startsWith('/'))
    throw invalid(`${what}: invalid mount path: '${Target}' mount path must be absolute`);
  if (posix.normalize(Target) === '/')
    throw invalid(`${what}: invalid specification: destination can't be '/'`);
  if (Type === 'bind' && !Source) throw invalid(`${what}: field Source must not be empty`);
  if (Type === 'bind' && !Source!.startsWith('/')) {
    throw invalid(`${what}: invalid mount path: '${Source}' mount path must be absolute`);
  }
  if (Type === 'tmpfs' && Source) throw invalid(`${what}: field Source must not be specified`);
  if (Type === 'volume' && Source) checkVolumeName(Source);
  for (const [field, type] of [
    ['BindOptions', 'bind'],
    ['VolumeOptions', 'volume'],
    ['TmpfsOptions', 'tmpfs'],
  ] as const) {
    if (request[field] !== undefined && Type !== type)
      throw wrong(`cannot mix '${type}-*' options with mount type '${Type}'`);
  }
  return request;
}

/** `--volumes-from CONTAINER[:ro|rw]`: whose, and whether they may be written. */
export function parseVolumesFrom(spec: string): { readonly container: string; readonly readOnly: boolean } {
  const [container = '', mode = 'rw', ...more] = spec.split(':');
  if (container === '' || more.length > 0) throw invalid(`invalid volumes-from specification: ${spec}`);
  if (!['ro', 'rw', 'z', 'Z'].includes(mode)) throw invalid(`invalid mode for volumes-from: ${mode}`);
  return { container, readOnly: mode === 'ro' };
}

export function checkVolumesFrom(spec: string): string {
  parseVolumesFrom(spec);
  return spec;
}

/** One `--tmpfs`: its target and its mount options. */
export function parseTmpfs(spec: string): readonly [target: string, options: string] {
  const at = spec.indexOf(':');
  const target = at < 0 ? spec : spec.slice(0, at);
  return [checkTarget(target, spec), at < 0 ? '' : spec.slice(at + 1)];
}
