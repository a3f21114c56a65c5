/**
 * Lines on a terminal, with bars under them for what is under way.
 *
 *   5e6f708192a3: Pull complete
 *   a1b2c3d4e5f6: Downloading [=========>          ]  23.1MB/61.4MB  41.2MB/s
 *
 * Bars are made when something starts and taken away when it ends, so there are never more than the pool has threads:
 * a terminal cannot move its cursor up past its first line, and an image may have 127 layers. The cursor, which
 * cli-progress hides, comes back on stop and at the latest when the process exits: its own handlers for signals are
 * off, because Ctrl-C first lets the command clean up.
 */
import { MultiBar, type SingleBar } from 'cli-progress';
import { ellipsis } from '../render/units.js';

const BAR_WIDTH = 30;
const REDRAWS_PER_SECOND = 10;

export interface Bars {
  /** A whole line, above the bars while there are any. */
  line(text: string): void;
  /** Makes or moves a bar, which shows `text`. */
  show(id: string, done: number, total: number, text: string): void;
  /** Takes it away, if there is one. */
  remove(id: string): void;
  /** Restores the terminal; safe to call twice. */
  close(): void;
}

export function openBars(stream: NodeJS.WriteStream): Bars {
  const bars = new Map<string, SingleBar>();
  let multi: MultiBar | undefined;

  const close = (): void => {
    process.off('exit', close);
    multi?.stop();
    multi = undefined;
    bars.clear();
  };
  const open = (): MultiBar => {
    if (multi !== undefined) return multi;
    process.once('exit', close);
    multi = new MultiBar({
      stream,
      fps: REDRAWS_PER_SECOND,
      hideCursor: true,
      linewrap: false,
      clearOnComplete: false,
      emptyOnZero: true,
      format: (_options, _params, { text }: { text: string }) => ellipsis(text, (stream.columns || 80) - 1),
    });
    return multi;
  };
  return {
    line: (text) => {
      if (multi === undefined || bars.size === 0) stream.write(text);
      else multi.log(text);
    },
    show: (id, done, total, text) => {
      const bar = bars.get(id);
      if (bar === undefined) bars.set(id, open().create(Math.max(1, total), done, { text }));
      else bar.update(done, { text });
    },
    remove: (id) => {
      const bar = bars.get(id);
      if (bar === undefined) return;
      multi?.remove(bar);
      bars.delete(id);
      if (bars.size === 0) close();
    },
    close,
  };
}

/** "[=====>    ]" */
export function gauge(done: number, total: number): string {
  const filled = Math.min(BAR_WIDTH, Math.round((BAR_WIDTH * done) / Math.max(1, total)));
  return `[${`${'='.repeat(Math.max(0, filled - 1))}${filled > 0 ? '>' : ''}`.padEnd(BAR_WIDTH)}]`;
}
