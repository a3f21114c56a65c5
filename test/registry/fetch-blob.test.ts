import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Digest, hexOf } from '../../src/core/digest/digest.js';
import { GantryError } from '../../src/core/errors.js';
import { ProgressWords } from '../../src/core/progress-words.js';
import { emptyAuthState } from '../../src/registry/auth.js';
import { type FetchBlobOptions, fetchBlob, newFetchMeter } from '../../src/registry/fetch-blob.js';
import { PartialFile, removePartial, sweepPartials } from '../../src/registry/partial.js';
import { type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';

const bytes = randomBytes(3_000_000);
let dir: string;
let server: FaultyRegistry;
let digest: Digest;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-partial-'));
  server = await startFaultyRegistry();
  digest = server.blob(bytes);
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

const partials = () => join(dir, 'partial');
const names = () => (existsSync(partials()) ? readdirSync(partials()) : []);
const ranges = () => server.requests.map((request) => request.headers.range);

function fetching(more: Partial<FetchBlobOptions> = {}) {
  const chunks: Uint8Array[] = [];
  const words = new ProgressWords();
  const meter = newFetchMeter();
  const result = fetchBlob({
    source: {
      endpoints: [
        {
          base: `${server.url}/v2`,
          host: server.host,
          headers: {},
          tls: {},
          connectTimeoutMs: 30_000,
          capabilities: { pull: true, resolve: true },
        },
      ],
      repository: 'test',
      auth: emptyAuthState(),
      userAgent: 'gantry-test',
    },
    digest,
    size: bytes.length,
    buffer: new Uint8Array(65_536),
    sink: (from, start, end) => void chunks.push(from.slice(start, end)),
    words,
    meter,
    partials: partials(),
    sleep: async () => {},
    env: {},
    ...more,
  });
  return { result, words, meter, seen: () => Buffer.concat(chunks) };
}

/** A pull that waits for the network and is canceled when it has `count` bytes. */
async function interrupted(count: number, more: Partial<FetchBlobOptions> = {}): Promise<void> {
  server.fault = () => ({ stallAfter: count });
  const t = fetching(more);
  const timer = setInterval(() => t.words.get('bytesIn') >= count && t.words.cancel(), 20);
  await expect(t.result).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  clearInterval(timer);
  server.fault = () => undefined;
  server.requests.length = 0;
}

describe('fetchBlob', () => {
  it('keeps nothing of a pull that does not wait', async () => {
    const t = fetching();
    expect(await t.result).toMatchObject({ outcome: 'complete', bytes: bytes.length, fromFile: 0 });
    expect(t.seen().equals(bytes)).toBe(true);
    expect(names()).toEqual([]);
  });

  it('goes on where an interrupted pull stopped', async () => {
    await interrupted(1_000_000, { keepAfterMs: -1 });
    expect(names()).toEqual([`${hexOf(digest)}.0`]);
    const t = fetching();
    expect(await t.result).toMatchObject({ outcome: 'complete', bytes: bytes.length, fromFile: 1_000_000 });
    expect(t.seen().equals(bytes)).toBe(true);
    expect(ranges()).toEqual(['bytes=1000000-2999999']);
    expect(readFileSync(join(partials(), names()[0]!)).equals(bytes)).toBe(true);
    removePartial(partials(), digest);
    expect(names()).toEqual([]);
  });

  it('tells that it is under way while kept bytes are read, so that it is shown and asked to stop, not killed', async () => {
    await interrupted(1_000_000, { keepAfterMs: -1 });
    const phases = new Set<string>();
    const t = fetching({ sink: () => void phases.add(t.words.phase) });
    await t.result;
    expect([...phases]).toEqual(['downloading']);
  });

  it('keeps bytes only from when the network became slow, at their own offset', async () => {
    server.fault = (n) =>
      n === 0 ? { stallAfter: 1_000_000 } : n === 1 ? { stallAfter: 500_000 } : undefined;
    const t = fetching({ stallMs: 150, keepAfterMs: 50 });
    const timer = setInterval(() => t.words.get('bytesIn') >= 1_500_000 && t.words.cancel(), 20);
    await expect(t.result).rejects.toMatchObject({ code: 'ERR_CANCELED' });
    clearInterval(timer);
    expect(names()).toEqual([`${hexOf(digest)}.1000000`]);
    const kept = readFileSync(join(partials(), names()[0]!));
    expect(kept.subarray(1_000_000).equals(bytes.subarray(1_000_000, 1_500_000))).toBe(true);
    expect(kept.subarray(0, 1_000_000).every((byte) => byte === 0)).toBe(true);
  });

  it('fetches the part before the kept bytes first, fills the hole with it, then the part after', async () => {
    const file = new PartialFile(partials(), digest, bytes.length);
    file.write(bytes, 1_000_000, 2_000_000, 1_000_000);
    file.close();
    const t = fetching();
    expect(await t.result).toMatchObject({ outcome: 'complete', fromFile: 1_000_000 });
    expect(t.seen().equals(bytes)).toBe(true);
    expect(ranges()).toEqual(['bytes=0-999999', 'bytes=2000000-2999999']);
    expect(names()).toEqual([`${hexOf(digest)}.0`]);
    expect(readFileSync(join(partials(), names()[0]!)).equals(bytes)).toBe(true);
  });

  it('needs no network when everything was kept', async () => {
    await interrupted(3_000_000 - 1, { keepAfterMs: -1 });
    await fetching().result;
    server.requests.length = 0;
    const t = fetching();
    expect(await t.result).toMatchObject({ fromFile: bytes.length });
    expect(server.requests).toHaveLength(0);
  });

  it('survives a file that shrinks under it', async () => {
    await interrupted(1_000_000, { keepAfterMs: -1 });
    let first = true;
    const chunks: Uint8Array[] = [];
    const t = fetching({
      sink: (from, start, end) => {
        if (first) truncateSync(join(partials(), names()[0]!), 400_000);
        first = false;
        chunks.push(from.slice(start, end));
      },
    });
    expect(await t.result).toMatchObject({ outcome: 'complete', fromFile: 400_000 });
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  it('starts from zero at a server without ranges', async () => {
    await interrupted(2_000_000, { keepAfterMs: -1 });
    server.fault = () => ({ ignoreRange: true });
    expect(await fetching().result).toMatchObject({ outcome: 'restart', fromFile: 2_000_000 });
    expect(names()).toEqual([]);
    const again = fetching();
    expect(await again.result).toMatchObject({ outcome: 'complete', fromFile: 0 });
    expect(again.seen().equals(bytes)).toBe(true);
  });

  it('lets the caller tell bad kept bytes from bad ones of the network', async () => {
    await interrupted(1_000_000, { keepAfterMs: -1 });
    const broken = new GantryError('ERR_DIGEST_MISMATCH', 'expected this, found that');
    const t = fetching({
      sink: () => {
        throw broken;
      },
    });
    await expect(t.result).rejects.toBe(broken);
    expect(t.meter.fromFile).toBe(0);
    const late = fetching({
      sink: (_, __, end) => {
        if (end < 65_536) throw broken;
      },
    });
    await expect(late.result).rejects.toBe(broken);
    expect(late.meter.fromFile).toBeGreaterThan(0);
  });

  it('pulls on when bytes cannot be kept', async () => {
    writeFileSync(partials(), 'a file where the folder should be');
    const t = fetching({ keepAfterMs: -1 });
    expect(await t.result).toMatchObject({ outcome: 'complete' });
    expect(t.seen().equals(bytes)).toBe(true);
  });

  it('stops at a cancel while it reads the file', async () => {
    await interrupted(1_000_000, { keepAfterMs: -1 });
    const t = fetching({ sink: () => t.words.cancel() });
    await expect(t.result).rejects.toMatchObject({ code: 'ERR_CANCELED' });
    expect(server.requests).toHaveLength(0);
  });
});

describe('partial files', () => {
  const hex = (n: number) => n.toString(16).padStart(64, '0');
  function put(name: string, size: number, ageMs: number): void {
    const path = join(dir, name);
    writeFileSync(path, Buffer.alloc(size, 1));
    const time = (1_000_000_000_000 - ageMs) / 1000;
    utimesSync(path, time, time);
  }

  it('are swept by age, then oldest first by what they take on disk; other files are let alone', () => {
    for (const n of [1, 2, 3, 4]) put(`${hex(n)}.0`, 1_000_000, n * 1000);
    put('notes.txt', 10, 1e9);
    const o = { now: 1_000_000_000_000, maxAgeMs: 3500, maxBytes: 2_200_000 };
    expect(sweepPartials(dir, o)).toBe(2);
    expect(readdirSync(dir).sort()).toEqual([`${hex(1)}.0`, `${hex(2)}.0`, 'notes.txt']);
    expect(sweepPartials(join(dir, 'missing'), o)).toBe(0);
  });

  it('that cannot be a part of the blob are removed', () => {
    const name = hexOf(digest);
    put(`${name}.10`, 5, 0);
    put(`${name}.0`, 4_000_000, 0);
    const file = new PartialFile(dir, digest, bytes.length);
    expect([file.start, file.end]).toEqual([0, 0]);
    expect(readdirSync(dir)).toEqual([]);
  });
});
