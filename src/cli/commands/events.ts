/** `gantry events [OPTIONS]`: what has happened, and what happens until Ctrl-C or `--until`. */
import { type Command, Option } from 'commander';
import type { EventLine } from '../../engine/events.js';
import { command, filterOption } from '../command.js';
import { renderObject } from '../render/object.js';
import { openSessionStore, type Session } from '../session.js';

interface EventsFlags {
  readonly filter?: readonly string[];
  readonly format?: string;
  readonly since?: string;
  readonly until?: string;
}

export const eventsCommand = (session: Session): Command =>
  command('events', 'Get real time events from the store')
    .addOption(filterOption('-f, --filter'))
    .addOption(new Option('--format <string>', "'json' or a Go template"))
    .option('--since <string>', 'Show all events created since timestamp')
    .option('--until <string>', 'Stream events until this timestamp')
    .action(async ({ filter, format, since, until }: EventsFlags) => {
      const { readEvents } = await import('../../engine/events.js');
      const { parseFilters, parseUntil } = await import('../../engine/filters.js');
      const now = Date.now();
      const events = readEvents(await openSessionStore(session), {
        filters: parseFilters(filter ?? []),
        signal: session.signal,
        ...(since === undefined ? {} : { since: parseUntil(since, now) }),
        ...(until === undefined ? {} : { until: parseUntil(until, now) }),
      });
      for await (const event of events) session.out(show(event, format));
    });

function show({ event, line }: EventLine, format: string | undefined): string {
  if (format === 'json' || format === '{{json .}}') return `${line}\n`;
  if (format) return renderObject(templateFields({ event, line }), format);
  const { Type, Action, Actor } = event;
  const attributes = Object.entries(Actor.Attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  const told = attributes.map(([key, value]) => `${key}=${value}`).join(', ');
  return `${timeText(line)} ${Type} ${Action} ${Actor.ID}${told && ` (${told})`}\n`;
}

/** In Go's names, as docker's templates have them. */
const templateFields = ({ event, line }: EventLine) => ({
  Status: event.status ?? '',
  ID: event.id ?? '',
  From: event.from ?? '',
  Type: event.Type,
  Action: event.Action,
  Actor: event.Actor,
  Scope: event.scope,
  Time: event.time,
  TimeNano: nanosOf(line),
});

const nanosOf = (line: string): string => /"timeNano":(\d+)\}$/.exec(line)?.[1] ?? '0';

/** Local time with all nine digits, and the zone as `Z` or `+02:00`. */
function timeText(line: string): string {
  const nanos = BigInt(nanosOf(line));
  const time = new Date(Number(nanos / 1_000_000n));
  const east = -time.getTimezoneOffset();
  const local = new Date(time.getTime() + east * 60_000).toISOString().slice(0, 19);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const zone =
    east === 0 ? 'Z' : `${east < 0 ? '-' : '+'}${two(Math.abs(east) / 60)}:${two(Math.abs(east) % 60)}`;
  return `${local}.${String(nanos % 1_000_000_000n).padStart(9, '0')}${zone}`;
}
