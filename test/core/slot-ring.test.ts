import { Worker } from 'node:worker_threads';
import { buildSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { newSharedRing, SlotRing } from '../../src/core/slot-ring.js';

/** A thread that drains the ring and tells the sum and length of what it saw; slow when asked. */
const { outputFiles } = buildSync({
  stdin: {
    contents: `
      import { parentPort, workerData } from 'node:worker_threads';
      import { SlotRing } from './src/core/slot-ring.ts';
      const ring = new SlotRing(workerData.ring, () => false);
      let sum = 0, total = 0;
      try {
        ring.drain((bytes, length) => {
          if (workerData.failAt === total) throw new Error('disk full');
          for (let i = 0; i < length; i += 97) sum = (sum * 31 + bytes[i]) >>> 0;
          total += length;
        });
        parentPort.postMessage({ sum, total });
      } catch (error) {
        ring.fail();
        parentPort.postMessage({ error: error.message });
      }`,
    resolveDir: process.cwd(),
  },
  bundle: true,
  write: false,
  format: 'cjs',
  platform: 'node',
});

function consumer(workerData: object): Promise<{ sum?: number; total?: number; error?: string }> {
  const worker = new Worker(outputFiles[0]?.text ?? '', { eval: true, workerData });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

describe('a ring between two threads', () => {
  it('hands over every byte in order, more than it holds', async () => {
    const shared = newSharedRing();
    const told = consumer({ ring: shared });
    const ring = new SlotRing(shared, () => false);
    let sum = 0;
    let total = 0;
    for (let round = 0; round < 60; round++) {
      const slot = ring.acquire();
      expect(ring.acquire()).toBe(slot);
      const length = round % 7 === 0 ? 1000 : slot.length;
      for (let i = 0; i < length; i += 97) {
        slot[i] = (round * 7 + i) & 0xff;
        sum = (sum * 31 + (slot[i] as number)) >>> 0;
      }
      total += length;
      ring.commit(length);
    }
    ring.finish();
    expect(await told).toEqual({ sum, total });
  });

  it('ends the producer when the consumer fails', async () => {
    const shared = newSharedRing();
    const told = consumer({ ring: shared, failAt: 5 * 100 });
    const ring = new SlotRing(shared, () => false);
    const produce = (): void => {
      for (let round = 0; round < 1000; round++) {
        ring.acquire();
        ring.commit(100);
      }
    };
    expect(produce).toThrow(expect.objectContaining({ code: 'ERR_CANCELED' }));
    expect(await told).toEqual({ error: 'disk full' });
  });

  it('ends the consumer when the producer fails, and does not take its end for a good one', async () => {
    const shared = newSharedRing();
    const told = consumer({ ring: shared });
    const ring = new SlotRing(shared, () => false);
    ring.acquire();
    ring.commit(10);
    ring.fail();
    ring.finish();
    expect(await told).toEqual({ error: 'the other half of the layer failed' });
  });

  it('sees a cancel while it waits', () => {
    const started = performance.now();
    const ring = new SlotRing(newSharedRing(), () => performance.now() - started > 50);
    expect(() => ring.drain(() => {})).toThrow(expect.objectContaining({ code: 'ERR_CANCELED' }));
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
