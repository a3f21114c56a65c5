/**
 * What has happened, as Docker tells it: `<root>/gantry/events.ndjson`, a line for each event, appended by whichever
 * process did it. It outlives the boot, so `--since` reaches back as far as the file does:
 *
 *   {"status":"start","id":"<64 hex>","from":"redis","Type":"container","Action":"start","Actor":{"ID":"<64 hex>",
 *    "Attributes":{"image":"redis","name":"calm_hopper"}},"scope":"local","time":1700000000,"timeNano":1700000000123456000}
 *
 * At 8 MiB it becomes events.1.ndjson, whose predecessor goes. A line is one write(2) with O_APPEND, so lines of two
 * processes do not mix; one that a power cut tore is passed over.
 */
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoCode } from '../core/errors.js';
import { inDirectory } from '../core/in-directory.js';
import { type ContainerRecord, plainName } from '../runtime/container-record.js';
import { type Filters, knownFilters, labelMatches } from './filters.js';
import type { Store } from './store.js';

const ROTATE_BYTES = 8 * 1024 * 1024;
const POLL_MS = 100;

export type EventType = 'container' | 'image' | 'network' | 'volume';

export interface NewEvent {
  readonly type: EventType;
  readonly action: string;
  readonly id: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** As it is in the journal. */
export interface StoredEvent {
  /** These three only of containers and images: what Docker told before there were types. */
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type: EventType;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: 'local';
  readonly time: number;
  /** Nanoseconds since the epoch, as Docker writes them; beyond a number's precision, so `line` has them exactly. */
  readonly timeNano: number;
}

export interface EventLine {
  readonly event: StoredEvent;
  readonly line: string;
}

const pathOf = (store: Store, name: 'events' | 'events.1'): string =>
  join(store.root, 'gantry', `${name}.ndjson`);

/** Appends them by one write. What was done stays done when this fails (a full disk), so it never throws. */
export function recordEvents(store: Store, events: readonly NewEvent[]): void {
  try {
    const open = (): number => openSync(pathOf(store, 'events'), 'a', 0o600);
    const fd = inDirectory(join(store.root, 'gantry'), 0o700, open);
    try {
      writeSync(fd, events.map((event) => `${eventLine(event)}\n`).join(''));
      if (fstatSync(fd).size >= ROTATE_BYTES) rotate(store).catch(() => {}); // the next one tries again
    } finally {
      closeSync(fd);
    }
  } catch {
    // nothing depends on it
  }
}

export const recordEvent = (store: Store, event: NewEvent): void => recordEvents(store, [event]);

/** One of a container's, with the attributes that Docker gives it. */
export const containerEvent = (
  record: ContainerRecord,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): NewEvent => ({
  type: 'container',
  action,
  id: record.ID,
  attributes: {
    ...record.Config.Labels,
    ...attributes,
    image: record.Config.Image ?? record.Image,
    name: plainName(record),
  },
});

export const recordContainerEvent = (
  store: Store,
  record: ContainerRecord,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void => recordEvent(store, containerEvent(record, action, attributes));

export const volumeEvent = (action: string, id: string): NewEvent => ({
  type: 'volume',
  action,
  id,
  attributes: { driver: 'local' },
});

export const recordVolumeEvent = (store: Store, action: string, id: string): void =>
  recordEvent(store, volumeEvent(action, id));

/** `mount` before a start, and `unmount` after an end, of each volume that the container has. */
export function volumeUse(record: ContainerRecord, action: 'mount' | 'unmount'): NewEvent[] {
  return Object.values(record.MountPoints).flatMap(
    ({ Name, Driver = 'local', Destination, RW, Propagation }) => {
      if (Name === undefined) return [];
      const use = { container: record.ID, driver: Driver };
      const place = { destination: Destination, propagation: Propagation, 'read/write': String(RW) };
      return {
        type: 'volume',
        action,
        id: Name,
        attributes: action === 'mount' ? { ...use, ...place } : use,
      };
    },
  );
}

/** What a `prune` of one type of object gave back, in bytes. */
export const recordPrune = (store: Store, type: EventType, reclaimed: number): void =>
  recordEvent(store, { type, action: 'prune', id: '', attributes: { reclaimed: String(reclaimed) } });

/** One of an image's; Docker tells a pull under the name alone. */
export const recordImageEvent = (store: Store, action: string, id: string, name: string): void =>
  recordEvent(store, { type: 'image', action, id, attributes: { name } });

export const recordNetworkEvent = (
  store: Store,
  { Id, Name }: { readonly Id: string; readonly Name: string },
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void =>
  recordEvent(store, {
    type: 'network',
    action,
    id: Id,
    attributes: { ...attributes, name: Name, type: 'bridge' },
  });

/** When this process was loaded, in milliseconds since the epoch and in nanoseconds of the clock that only goes forward. */
const LOADED = { at: Date.now(), clock: process.hrtime.bigint() };

/**
 * Since the epoch, never before Date.now(), which is what `--since` is compared with. `performance` tells it too, but
 * loading it takes 1 ms of every command that has something to tell.
 */
const microseconds = (): number =>
  Math.max(Date.now() * 1000, LOADED.at * 1000 + Number((process.hrtime.bigint() - LOADED.clock) / 1000n));

function eventLine({ type, action, id, attributes = {} }: NewEvent): string {
  const micros = microseconds();
  const legacy = type === 'container' || type === 'image' ? { status: action, id } : {};
  const from = type === 'container' ? { from: attributes.image ?? '' } : {};
  const text = JSON.stringify({
    ...legacy,
    ...from,
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Math.floor(micros / 1e6),
  });
  return `${text.slice(0, -1)},"timeNano":${micros}000}`;
}

async function rotate(store: Store): Promise<void> {
  const held = await store.tryLockNamed('containers', 'events');
  if (held === undefined) return; // somebody is at it
  try {
    const path = pathOf(store, 'events');
    if (statSync(path).size >= ROTATE_BYTES) renameSync(path, pathOf(store, 'events.1'));
  } finally {
    held.release();
  }
}

export interface EventOptions {
  /** Milliseconds since the epoch; without it only what is yet to come. */
  readonly since?: number;
  /** Milliseconds since the epoch; without it until `signal`. */
  readonly until?: number;
  /** type, event, container, image, volume, network, label, scope. */
  readonly filters: Filters;
  readonly signal?: AbortSignal;
}

/** Past events, then those that come. ERR_INVALID_ARGUMENT for a filter that is not known. */
export async function* readEvents(store: Store, options: EventOptions): AsyncGenerator<EventLine> {
  const { since = Date.now(), until = Number.POSITIVE_INFINITY, signal } = options;
  const wanted = eventFilter(options.filters);
  const inTime = ({ event: { timeNano } }: EventLine) => timeNano >= since * 1e6 && timeNano <= until * 1e6;
  const old = options.since === undefined ? '' : (readFrom(pathOf(store, 'events.1'), 0)?.text ?? '');
  for (const line of parseLines(old)) if (inTime(line) && wanted(line.event)) yield line;
  let inode = 0n;
  let offset = 0;
  for (;;) {
    const last = Date.now() >= until || signal?.aborted === true; // read once more after the end of the time
    const now = statOf(pathOf(store, 'events'));
    if (now !== undefined && inode !== 0n && now !== inode) {
      // It was put aside since the last look: what came after that look is there.
      const rest = readFrom(pathOf(store, 'events.1'), offset)?.text ?? '';
      offset = 0;
      for (const line of parseLines(rest)) if (inTime(line) && wanted(line.event)) yield line;
    }
    inode = now ?? inode;
    const read = readFrom(pathOf(store, 'events'), offset);
    offset = read?.end ?? offset;
    for (const line of parseLines(read?.text ?? '')) if (inTime(line) && wanted(line.event)) yield line;
    if (last) return;
    await sleep(
      Math.max(1, Math.min(POLL_MS, until - Date.now())),
      undefined,
      signal ? { signal } : {},
    ).catch(
      () => {}, // aborted: the next turn is the last
    );
  }
}

const statOf = (path: string): bigint | undefined =>
  statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;

/** Whole lines from a byte on, and where they end. */
function readFrom(path: string, start: number): { readonly text: string; readonly end: number } | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - start));
    const end = bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, start)).lastIndexOf(0x0a) + 1;
    return { text: bytes.toString('utf8', 0, end), end: start + end };
  } finally {
    closeSync(fd);
  }
}

function* parseLines(text: string): Generator<EventLine> {
  for (const line of text.split('\n')) {
    try {
      if (line !== '') yield { event: JSON.parse(line) as StoredEvent, line };
    } catch {
      // torn by a power cut
    }
  }
}

function eventFilter(filters: Filters): (event: StoredEvent) => boolean {
  knownFilters(filters, ['type', 'event', 'container', 'image', 'volume', 'network', 'label', 'scope']);
  const any = (name: string, matches: (value: string) => boolean) => filters.get(name)?.some(matches) ?? true;
  return ({ Type, Action, Actor: { ID, Attributes } }) => {
    const object = (value: string) => ID.startsWith(value) || Attributes.name === value;
    // An image's, or a container's of it; `redis` stands for every tag.
    const images = Type === 'image' ? [ID, Attributes.name] : [Attributes.image];
    const image = (value: string) =>
      images.some((name) => name === value || name?.replace(/:[^:/]*$/, '') === value);
    return (
      any('type', (value) => Type === value) &&
      any('event', (value) => Action === value || Action.startsWith(`${value}:`)) &&
      any('container', (value) => (Type === 'container' ? object(value) : Attributes.container === value)) &&
      any('image', image) &&
      any('volume', (value) => Type === 'volume' && object(value)) &&
      any('network', (value) => Type === 'network' && object(value)) &&
      any('scope', (value) => value === 'local') &&
      (filters.get('label') ?? []).every((label) => labelMatches(Attributes, label))
    );
  };
}
