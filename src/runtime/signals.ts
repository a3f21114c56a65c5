/** Signal names and numbers as `--stop-signal` and `kill -s` take them: `TERM`, `SIGTERM`, `15`, `RTMIN+3`. */
import { constants } from 'node:os';
import { invalid } from './flags/invalid.js';

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The number. Throws ERR_INVALID_ARGUMENT (`invalid signal: X`). */
export function parseSignal(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RT(MIN\+|MAX-)?(\d+)?$/.exec(name);
  const number = /^\d+$/.test(text)
    ? Number(text)
    : realtime?.[1] === 'MIN+'
      ? SIGRTMIN + Number(realtime[2])
      : realtime?.[1] === 'MAX-'
        ? SIGRTMAX - Number(realtime[2])
        : ((constants.signals as Readonly<Record<string, number>>)[`SIG${name}`] ?? Number.NaN);
  if (number >= 1 && number <= SIGRTMAX) return number;
  throw invalid(`invalid signal: ${text}`);
}
