/**
 * `--log-driver json-file | journald | none`, and for the first `--log-opt max-size=…, max-file=…`. Bounded by default,
 * which Docker is not.
 */
import { invalid } from './flags/invalid.js';
import { parseSize } from './flags/size.js';

export interface LogConfig {
  readonly Type: string;
  readonly Config: Readonly<Record<string, string>>;
}

export interface LogLimits {
  /** Bytes of one file. */
  readonly maxSize: number;
  readonly maxFile: number;
}

const DEFAULTS: LogLimits = { maxSize: 10 * 1024 * 1024, maxFile: 3 };

/** Throws ERR_INVALID_ARGUMENT for a driver or option that is not known. */
export function parseLogConfig(driver: string | undefined, options: readonly string[]): LogConfig {
  const Type = driver ?? 'json-file';
  if (Type !== 'json-file' && Type !== 'journald' && Type !== 'none') {
    throw invalid(
      `logger: no log driver named '${Type}' is registered: expected json-file, journald or none`,
    );
  }
  const pairs = options.map((option): [string, string] => {
    const at = option.indexOf('=');
    if (at < 1) throw invalid(`invalid logging opts format: expected key=value, found ${option}`);
    return [option.slice(0, at), option.slice(at + 1)];
  });
  const Config = Object.fromEntries(pairs);
  for (const key of Object.keys(Config)) {
    if (Type !== 'json-file' || (key !== 'max-size' && key !== 'max-file')) {
      throw invalid(`unknown log opt '${key}' for ${Type} log driver`);
    }
  }
  logLimits({ Type, Config });
  return { Type, Config };
}

/** Undefined where none is kept in files. `max-size=-1` is the default bound: a log without one fills the disk. */
export function logLimits(config: LogConfig | undefined): LogLimits | undefined {
  if (config?.Type === 'none' || config?.Type === 'journald') return undefined;
  const { 'max-size': size, 'max-file': files } = config?.Config ?? {};
  if (files !== undefined && !/^[1-9]\d*$/.test(files)) {
    throw invalid(`invalid max-file: expected a number of at least 1, found ${files}`);
  }
  return {
    maxSize: size === undefined || size === '-1' ? DEFAULTS.maxSize : parseSize(size),
    maxFile: files === undefined ? DEFAULTS.maxFile : Number(files),
  };
}

/** The bound of conmon's file. There may be two of them: as much again as all of ours. */
export const shimLogBytes = ({ maxSize, maxFile }: LogLimits): number => Math.ceil((maxSize * maxFile) / 2);
