/** A layer that two threads share: what one half's end means to the other. */
import { describe, expect, it } from 'vitest';
import { parseChainID, parseDiffID, parseDigest } from '../../src/core/digest/digest.js';
import { GantryError } from '../../src/core/errors.js';
import { ProgressWords } from '../../src/core/progress-words.js';
import { type SharedRing, SlotRing } from '../../src/core/slot-ring.js';
import { receiveLayer } from '../../src/engine/layer-receive.js';
import type { Pool } from '../../src/engine/pool.js';

const HEX = 'a'.repeat(64);

type Halves = Record<'inflateLayer' | 'writeLayer', (ring: SharedRing) => Promise<unknown>>;

function receive(halves: Halves) {
  const run = (name: keyof Halves, { ring }: { ring: SharedRing }) => halves[name](ring);
  return receiveLayer({ run } as unknown as Pool, {
    layer: {
      chainID: parseChainID(`sha256:${HEX}`),
      parent: undefined,
      diffID: parseDiffID(`sha256:${HEX}`),
      digest: parseDigest(`sha256:${HEX}`),
      size: 1,
      compression: 'gzip',
      source: { endpoints: [], repository: 'x', auth: {} as never, userAgent: 'test' },
    },
    staging: '/nowhere',
    partials: '/nowhere',
    hash: 'native',
    words: new ProgressWords(),
    signal: new AbortController().signal,
    split: true,
  });
}

/** A half that goes on until the ring tells it not to. */
async function waiting(ring: SharedRing): Promise<never> {
  for (const slots = new SlotRing(ring, () => false); ; slots.acquire()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const died = async (): Promise<never> => {
  throw new GantryError('ERR_WORKER_DIED', 'the worker thread died');
};

describe('a layer in two halves', () => {
  it('ends with the error of the half that failed first, not with the cancel of the other', async () => {
    await expect(receive({ inflateLayer: died, writeLayer: waiting })).rejects.toMatchObject({
      code: 'ERR_WORKER_DIED',
    });
    await expect(receive({ inflateLayer: waiting, writeLayer: died })).rejects.toMatchObject({
      code: 'ERR_WORKER_DIED',
    });
  });

  it('begins again as a whole when the server ignores Range', async () => {
    expect(await receive({ inflateLayer: async () => 'restart', writeLayer: waiting })).toBe('restart');
  });
});
