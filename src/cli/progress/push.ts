/**
 * A push as it goes, in docker's words; `create.ts` says what the flag's values are.
 *
 *   The push refers to repository [localhost:5000/redis]
 *   a1b2c3d4e5f6: Preparing
 *   a1b2c3d4e5f6: Layer already exists
 *   latest: digest: sha256:… size: 1573
 */
import type { PushEvent, PushLayerEvent, PushPhase } from '../../engine/push-events.js';
import { parseReference } from '../../registry/reference.js';
import { humanSize } from '../render/units.js';
import type { Session } from '../session.js';
import { type Bars, gauge, openBars } from './bars.js';
import type { ProgressKind } from './create.js';

export interface PushProgress {
  readonly event: (event: PushEvent) => void;
  stop(): void;
}

const WORDS: Readonly<Record<PushPhase, string>> = {
  preparing: 'Preparing',
  compressing: 'Compressing',
  pushing: 'Pushing',
  pushed: 'Pushed',
  mounted: 'Mounted from',
  exists: 'Layer already exists',
  failed: 'Failed',
};

export async function createPushProgress(session: Session, kind: ProgressKind): Promise<PushProgress> {
  const none = (): void => {};
  switch (kind) {
    case 'json':
      return { event: (event) => session.out(`${JSON.stringify(event)}\n`), stop: none };
    case 'quiet':
      return {
        event: (event) => {
          if (event.event === 'done') session.out(`${event.reference}\n`);
        },
        stop: none,
      };
    case 'plain':
      return { event: lines(session.out), stop: none };
    case 'tty': {
      const bars = openBars(process.stdout);
      return { event: lines(bars.line, bars), stop: bars.close };
    }
    case 'auto':
      return createPushProgress(
        session,
        process.stdout.isTTY && process.env.TERM !== 'dumb' ? 'tty' : 'plain',
      );
  }
}

function lines(write: (text: string) => void, bars?: Bars): (event: PushEvent) => void {
  const phases = new Map<string, PushPhase>();
  let repository = '';
  const layer = (event: PushLayerEvent): void => {
    const { id, phase, bytes, total } = event;
    const working = phase === 'compressing' || phase === 'pushing';
    if (working) {
      const amount = `${humanSize(bytes, 3)}/${humanSize(total, 3)}`;
      bars?.show(id, bytes, total, `${id}: ${WORDS[phase].padEnd(12)} ${gauge(bytes, total)}  ${amount}`);
    } else bars?.remove(id);
    if (phases.get(id) === phase) return;
    phases.set(id, phase);
    if (working || (phase === 'preparing' && bars !== undefined)) return;
    const from = phase === 'mounted' ? ` ${parseReference(event.from!).path}` : '';
    write(`${id}: ${WORDS[phase]}${from}\n`);
  };
  return (event) => {
    switch (event.event) {
      case 'pushing':
        if (event.repository !== repository) write(`The push refers to repository [${event.repository}]\n`);
        repository = event.repository;
        break;
      case 'layer':
        layer(event);
        break;
      case 'warning':
        write(`warning: ${event.message}\n`);
        break;
      case 'done':
        write(`${parseReference(event.reference).tag}: digest: ${event.digest} size: ${event.size}\n`);
        break;
      case 'error':
        break;
    }
  };
}
