/**
 * Progress as lines, for logs: one when a layer's phase changes, none while its bytes run.
 *
 *   latest: Pulling from library/redis
 *   a1b2c3d4e5f6: Pulling fs layer
 *   a1b2c3d4e5f6: Pull complete
 *   Digest: sha256:…
 */
import { shortID } from '../../core/digest/digest.js';
import type { LayerPhase, PullEvent } from '../../engine/pull-events.js';
import type { Progress, Write } from './progress.js';
import { defaultTagLine, doneLines, PHASE_WORDS, pullingLine, retryLine } from './wording.js';

/** Phases that get a line: the others follow each other within a moment. */
const TOLD: readonly LayerPhase[] = ['committed', 'exists', 'failed'];

export function plainProgress(write: Write): Progress {
  const phases = new Map<string, LayerPhase>();
  const event = (event: PullEvent): void => {
    switch (event.event) {
      case 'resolving':
        write(pullingLine(event.reference));
        break;
      case 'layer':
        if (phases.get(event.id) === event.phase) break;
        phases.set(event.id, event.phase);
        if (TOLD.includes(event.phase)) write(`${event.id}: ${PHASE_WORDS[event.phase]}\n`);
        break;
      case 'retry':
        write(retryLine(event));
        break;
      case 'warning':
        write(`warning: ${event.message}\n`);
        break;
      case 'done':
        write(doneLines(event));
        break;
      case 'resolved':
        for (const layer of event.layers) {
          if (layer.state === 'fetch') write(`${shortID(layer.digest)}: ${PHASE_WORDS.waiting}\n`);
        }
        break;
      case 'error':
        break;
    }
  };
  return { announce: (reference) => write(defaultTagLine(reference)), event, stop: () => {} };
}
