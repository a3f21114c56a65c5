/**
 * `commit --change`, `import --change`: Dockerfile instructions applied to a config, by the builder's rules.
 *
 *   CMD ["redis-server"] │ ENTRYPOINT exec top │ ENV A=b C="d e" │ EXPOSE 80 53/udp 8000-8002 │ LABEL a=b
 *   ONBUILD RUN make │ USER redis │ VOLUME ["/data"] │ WORKDIR sub │ STOPSIGNAL SIGQUIT
 *   HEALTHCHECK --interval=5s --retries=2 CMD curl -f localhost │ HEALTHCHECK NONE
 *
 * An instruction changes what is there: ENV and LABEL by name, EXPOSE and VOLUME add, the others replace. ENTRYPOINT
 * drops an inherited CMD, which belonged to the former one.
 */
import { posix } from 'node:path';
import { goDuration } from '../core/duration.js';
import { GantryError } from '../core/errors.js';
import type { ContainerConfig } from '../core/oci/image-config.js';
import { expandWord, splitWords } from './dockerfile-words.js';

type Apply = (config: ContainerConfig, text: string) => Partial<ContainerConfig>;

const SHELL = ['/bin/sh', '-c'];

const INSTRUCTIONS: Readonly<Record<string, Apply>> = {
  CMD: (config, text) => ({ Cmd: commandOf(config, text) }),
  ENTRYPOINT: (config, text) => ({ Entrypoint: commandOf(config, text) }),
  ENV: (config, text) => {
    const env = new Map((config.Env ?? []).map((entry) => [entry.split('=', 1)[0]!, entry]));
    for (const [name, value] of pairs('ENV', config, text)) env.set(name, `${name}=${value}`);
    return { Env: [...env.values()] };
  },
  LABEL: (config, text) => ({
    Labels: { ...config.Labels, ...Object.fromEntries(pairs('LABEL', config, text)) },
  }),
  EXPOSE: (config, text) => {
    const ports = words(config, text).flatMap(portsOf);
    return {
      ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) },
    };
  },
  VOLUME: (config, text) => {
    const paths = jsonArray(text)?.map((path) => expandWord(path, config.Env ?? [])) ?? words(config, text);
    if (paths.includes('')) throw invalid('VOLUME specified can not be an empty string');
    return { Volumes: { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) } };
  },
  USER: (config, text) => ({ User: only('USER', config, text) }),
  WORKDIR: (config, text) => ({
    WorkingDir: posix.resolve('/', config.WorkingDir ?? '', only('WORKDIR', config, text)),
  }),
  STOPSIGNAL: (config, text) => {
    const signal = only('STOPSIGNAL', config, text);
    if (!/^(?:SIG)?[A-Z][A-Z0-9+-]*$|^[1-9]\d?$/i.test(signal)) throw invalid(`Invalid signal: ${signal}`);
    return { StopSignal: signal };
  },
  ONBUILD: (config, text) => {
    const trigger = text.split(/\s/, 1)[0]!.toUpperCase();
    if (trigger === 'ONBUILD') throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger === 'FROM' || trigger === 'MAINTAINER')
      throw invalid(`${trigger} isn't allowed as an ONBUILD trigger`);
    return { OnBuild: [...((config.OnBuild as readonly string[] | null | undefined) ?? []), text] };
  },
  HEALTHCHECK: (_, text) => ({ Healthcheck: healthcheck(text) }),
};

/** Applies instructions in order. ERR_INVALID_ARGUMENT in docker's words. */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  let changed = config;
  let ownCmd = false;
  for (const line of changes.flatMap((text) => text.replaceAll(/\\\r?\n/g, '').split('\n'))) {
    const [, name = '', text = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(line) ?? [];
    if (name === '' || name.startsWith('#')) continue;
    const instruction = name.toUpperCase();
    const apply = Object.hasOwn(INSTRUCTIONS, instruction) ? INSTRUCTIONS[instruction] : undefined;
    if (apply === undefined) throw invalid(`${name.toLowerCase()} is not a valid change command`);
    if (text === '') throw invalid(`${instruction} requires at least one argument`);
    ownCmd ||= instruction === 'CMD';
    const dropCmd = instruction === 'ENTRYPOINT' && !ownCmd ? { Cmd: null } : {};
    changed = { ...changed, ...dropCmd, ...apply(changed, text) };
  }
  return changed;
}

const invalid = (message: string): GantryError => new GantryError('ERR_INVALID_ARGUMENT', message);

function jsonArray(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

const commandOf = (config: ContainerConfig, text: string): string[] =>
  jsonArray(text) ?? [...(config.Shell ?? SHELL), text];

const words = (config: ContainerConfig, text: string): string[] =>
  splitWords(text).flatMap((word) =>
    expandWord(word, config.Env ?? [])
      .split(/\s+/)
      .filter(Boolean),
  );

function only(name: string, config: ContainerConfig, text: string): string {
  const value = expandWord(text, config.Env ?? []);
  if (splitWords(text).length === 1 && value !== '') return value;
  throw invalid(`${name} requires exactly one argument`);
}

/** `NAME=value …`, or the old form `NAME the rest is the value`. */
function pairs(instruction: string, config: ContainerConfig, text: string): [string, string][] {
  const env = config.Env ?? [];
  const all = splitWords(text);
  if (!all[0]!.includes('=')) {
    const value = text.slice(all[0]!.length).trim();
    if (value === '') throw invalid(`${instruction} must have two arguments`);
    return [[expandWord(all[0]!, env), expandWord(value, env)]];
  }
  return all.map((word) => {
    const at = word.indexOf('=');
    if (at < 0)
      throw invalid(
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    if (at === 0) throw invalid(`${instruction} names can not be blank`);
    return [expandWord(word.slice(0, at), env), expandWord(word.slice(at + 1), env)];
  });
}

function portsOf(text: string): string[] {
  const [, first, last = first, protocol = 'tcp'] =
    /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (!(from >= 1 && from <= to && to <= 65535)) throw invalid(`Invalid containerPort: ${text}`);
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
}

function healthcheck(text: string): NonNullable<ContainerConfig['Healthcheck']> {
  const [, flags = '', type = '', rest = ''] = /^((?:--\S+\s+)*)(\S+)\s*(.*)$/s.exec(text) ?? [];
  if (type.toUpperCase() === 'NONE') {
    if (flags !== '' || rest !== '') throw invalid('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (type.toUpperCase() !== 'CMD') {
    throw invalid(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  }
  if (rest === '') throw invalid('Missing command after HEALTHCHECK CMD');
  const array = jsonArray(rest);
  return {
    Test: array === undefined ? ['CMD-SHELL', rest] : ['CMD', ...array],
    ...Object.assign({}, ...flags.split(/\s+/).filter(Boolean).map(healthFlag)),
  };
}

const PERIODS: Readonly<Record<string, string>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};

function healthFlag(flag: string): Record<string, number> {
  const [, name = '', value = ''] = /^--([^=]+)=?(.*)$/.exec(flag) ?? [];
  if (name === 'retries' && /^\d+$/.test(value)) return { Retries: Number(value) };
  const field = PERIODS[name];
  const ms = goDuration(value);
  if (field === undefined || ms === undefined) throw invalid(`HEALTHCHECK: bad flag ${flag}`);
  return { [field]: ms * 1e6 };
}
