/**
 * Layers of an archive as they go in or out, in docker's words: bars on a terminal, nothing elsewhere.
 *
 *   a1b2c3d4e5f6: Loading layer [=========>          ]  23.1MB/61.4MB
 */
import { humanSize } from '../render/units.js';
import { gauge, openBars } from './bars.js';

export interface LayerProgress {
  working(id: string, bytes: number, total: number): void;
  /** Its last line; the bar full unless `text` says something else. */
  ended(id: string, total: number, text?: string): void;
  /** Restores the terminal; safe to call twice. */
  stop(): void;
}

export function layerProgress(stream: NodeJS.WriteStream, doing: string, quiet = false): LayerProgress {
  if (quiet || !stream.isTTY || process.env.TERM === 'dumb') {
    return { working: () => {}, ended: () => {}, stop: () => {} };
  }
  const bars = openBars(stream);
  const ended = new Set<string>();
  const bar = (id: string, bytes: number, total: number): string =>
    `${id}: ${doing} ${gauge(bytes, total)}  ${humanSize(bytes, 3)}/${humanSize(total, 3)}`;
  return {
    working: (id, bytes, total) => bars.show(id, bytes, total, bar(id, bytes, total)),
    ended(id, total, text) {
      // One blob may be several layers of an image: told once, but each had its bar.
      if (!ended.has(id)) bars.line(`${text === undefined ? bar(id, total, total) : `${id}: ${text}`}\n`);
      ended.add(id);
      bars.remove(id);
    },
    stop: bars.close,
  };
}
