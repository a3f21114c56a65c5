/**
 * Progress on a terminal: a bar for each layer that is under way, a line for each that is done.
 *
 *   5e6f708192a3: Pull complete
 *   a1b2c3d4e5f6: Downloading [=========>          ]  23.1MB/61.4MB  41.2MB/s
 *
 * Bars are made when a layer starts and taken away when it ends, so there are never more than the pool has threads:
 * a terminal cannot move its cursor up past its first line, and an image may have 127 layers. The cursor, which
 * cli-progress hides, comes back on stop and at the latest when the process exits: its own handlers for signals are
 * off, because Ctrl-C first lets the pull clean up.
 */
import { MultiBar, type SingleBar } from 'cli-progress';
import type { LayerEvent, PullEvent } from '../../engine/pull-events.js';
import { ellipsis, humanSize } from '../render/units.js';
import type { Progress } from './progress.js';
import { defaultTagLine, doneLines, PHASE_WORDS, pullingLine, retryLine } from './wording.js';

const BAR_WIDTH = 30;
const REDRAWS_PER_SECOND = 10;

export function ttyProgress(stream: NodeJS.WriteStream): Progress {
  const bars = new Map<string, SingleBar>();
  const ended = new Set<string>();
  let multi: MultiBar | undefined;

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
      format: (_options, _params, layer: LayerEvent) => ellipsis(barLine(layer), (stream.columns || 80) - 1),
    });
    return multi;
  };
  /** Above the bars while there are any. */
  const line = (text: string): void => {
    if (multi === undefined || bars.size === 0) stream.write(text);
    else multi.log(text);
  };
  const close = (): void => {
    process.off('exit', close);
    multi?.stop();
    multi = undefined;
    bars.clear();
  };

  const layer = (event: LayerEvent): void => {
    const over = event.phase === 'committed' || event.phase === 'exists' || event.phase === 'failed';
    const bar = bars.get(event.id);
    if (over) {
      // One blob may be several layers of an image: told once, but each had its bar.
      if (!ended.has(event.id)) line(`${event.id}: ${PHASE_WORDS[event.phase]}\n`);
      ended.add(event.id);
      if (bar !== undefined) multi?.remove(bar);
      bars.delete(event.id);
      if (bars.size === 0) close();
    } else if (bar !== undefined) bar.update(event.bytesIn, event);
    else if (event.phase !== 'waiting') {
      bars.set(event.id, open().create(Math.max(1, event.total), event.bytesIn, event));
    }
  };

  const event = (event: PullEvent): void => {
    switch (event.event) {
      case 'resolving':
        line(pullingLine(event.reference));
        break;
      case 'layer':
        layer(event);
        break;
      case 'retry':
        line(retryLine(event));
        break;
      case 'warning':
        line(`warning: ${event.message}\n`);
        break;
      case 'done':
        line(doneLines(event));
        break;
      case 'resolved':
      case 'error':
        break;
    }
  };
  return { announce: (reference) => line(defaultTagLine(reference)), event, stop: close };
}

/** "a1b2c3d4e5f6: Downloading [=====>    ]  23.1MB/61.4MB  41.2MB/s" */
export function barLine({ id, phase, bytesIn, total, bytesPerSecond }: LayerEvent): string {
  const done = Math.min(BAR_WIDTH, Math.round((BAR_WIDTH * bytesIn) / Math.max(1, total)));
  const bar = `${'='.repeat(Math.max(0, done - 1))}${done > 0 ? '>' : ''}`.padEnd(BAR_WIDTH);
  const bytes = `${humanSize(bytesIn, 3)}/${humanSize(total, 3)}`;
  return `${id}: ${PHASE_WORDS[phase].padEnd(18)} [${bar}]  ${bytes.padStart(15)}  ${humanSize(bytesPerSecond, 3)}/s`;
}
