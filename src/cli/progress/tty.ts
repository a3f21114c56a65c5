/** A pull on a terminal: a bar for each layer that is under way, a line for each that is done. */
import type { LayerEvent, PullEvent } from '../../engine/pull-events.js';
import { humanSize } from '../render/units.js';
import { gauge, openBars } from './bars.js';
import type { Progress } from './progress.js';
import { defaultTagLine, doneLines, PHASE_WORDS, pullingLine, retryLine } from './wording.js';

export function ttyProgress(stream: NodeJS.WriteStream): Progress {
  const bars = openBars(stream);
  const ended = new Set<string>();

  const layer = (event: LayerEvent): void => {
    if (event.phase === 'committed' || event.phase === 'exists' || event.phase === 'failed') {
      // One blob may be several layers of an image: told once, but each had its bar.
      if (!ended.has(event.id)) bars.line(`${event.id}: ${PHASE_WORDS[event.phase]}\n`);
      ended.add(event.id);
      bars.remove(event.id);
    } else if (event.phase !== 'waiting') {
      bars.show(event.id, event.bytesIn, event.total, barLine(event));
    }
  };

  const event = (event: PullEvent): void => {
    switch (event.event) {
      case 'resolving':
        bars.line(pullingLine(event.reference));
        break;
      case 'layer':
        layer(event);
        break;
      case 'retry':
        bars.line(retryLine(event));
        break;
      case 'warning':
        bars.line(`warning: ${event.message}\n`);
        break;
      case 'done':
        bars.line(doneLines(event));
        break;
      case 'resolved':
      case 'error':
        break;
    }
  };
  return { announce: (reference) => bars.line(defaultTagLine(reference)), event, stop: bars.close };
}

/** "a1b2c3d4e5f6: Downloading [=====>    ]  23.1MB/61.4MB  41.2MB/s" */
export function barLine({ id, phase, bytesIn, total, bytesPerSecond }: LayerEvent): string {
  const bytes = `${humanSize(bytesIn, 3)}/${humanSize(total, 3)}`;
  return `${id}: ${PHASE_WORDS[phase].padEnd(18)} ${gauge(bytesIn, total)}  ${bytes.padStart(15)}  ${humanSize(bytesPerSecond, 3)}/s`;
}
