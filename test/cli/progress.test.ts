import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { layerProgress } from '../../src/cli/progress/layers.js';
import { plainProgress } from '../../src/cli/progress/plain.js';
import { jsonProgress, quietProgress } from '../../src/cli/progress/terse.js';
import { barLine, ttyProgress } from '../../src/cli/progress/tty.js';
import { renderPlan } from '../../src/cli/render/plan.js';
import { parseChainID, parseDiffID, parseDigest, parseImageID } from '../../src/core/digest/digest.js';
import type { LayerEvent, PullEvent } from '../../src/engine/pull-events.js';
import { parseReference } from '../../src/registry/reference.js';

const sha = (digit: string) => `sha256:${digit.repeat(64)}`;
const reference = 'docker.io/library/redis:latest';
const layer = (digit: string, phase: LayerEvent['phase'], bytesIn = 0): LayerEvent => ({
  event: 'layer',
  digest: parseDigest(sha(digit)),
  id: digit.repeat(12),
  phase,
  bytesIn,
  total: 61_400_000,
  bytesOut: 0,
  bytesPerSecond: 41_200_000,
  retries: 0,
  ms: 1,
});
const resolved = (digit: string, state: 'fetch' | 'exists') => ({
  digest: parseDigest(sha(digit)),
  diffID: parseDiffID(sha(digit)),
  chainID: parseChainID(sha(digit)),
  size: 61_400_000,
  state,
});
const events: PullEvent[] = [
  { event: 'resolving', reference },
  {
    event: 'resolved',
    reference,
    digest: parseDigest(sha('d')),
    platform: 'linux/amd64',
    layers: [resolved('a', 'exists'), resolved('b', 'fetch')],
    bytesToFetch: 61_400_000,
  },
  layer('a', 'exists'),
  layer('b', 'downloading', 10),
  layer('b', 'downloading', 20),
  { event: 'retry', digest: parseDigest(sha('b')), attempt: 1 },
  layer('b', 'verifying', 61_400_000),
  layer('b', 'committed', 61_400_000),
  {
    event: 'done',
    reference,
    imageID: parseImageID(sha('e')),
    digest: parseDigest(sha('d')),
    status: 'downloaded',
    bytes: 61_400_000,
    ms: 900,
    timings: {},
  },
];

function shown(make: (write: (text: string) => void) => { event: (event: PullEvent) => void }): string {
  let text = '';
  const progress = make((more) => {
    text += more;
  });
  for (const event of events) progress.event(event);
  return text;
}

describe('progress of a pull', () => {
  it('plain lines end as docker’s do', () => {
    expect(shown(plainProgress)).toBe(
      [
        'latest: Pulling from library/redis',
        'bbbbbbbbbbbb: Pulling fs layer',
        'aaaaaaaaaaaa: Already exists',
        'bbbbbbbbbbbb: Retrying (attempt 1)',
        'bbbbbbbbbbbb: Pull complete',
        `Digest: ${sha('d')}`,
        'Status: Downloaded newer image for redis:latest',
        reference,
        '',
      ].join('\n'),
    );
  });
  it('tells which tag it took when none was given', () => {
    let text = '';
    const progress = plainProgress((more) => {
      text += more;
    });
    progress.announce(parseReference('redis'));
    progress.announce(parseReference('redis:7'));
    expect(text).toBe('Using default tag: latest\n');
  });
  it('json is one event a line', () => {
    const lines = shown(jsonProgress).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(events);
  });
  it('quiet is the reference alone', () => {
    expect(shown((write) => quietProgress(write, () => {}))).toBe(`${reference}\n`);
  });
  it('leaves no bar behind when one blob is two layers', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
    const listeners = process.listenerCount('exit');
    const progress = ttyProgress(stream as unknown as NodeJS.WriteStream);
    for (const phase of ['downloading', 'committed', 'downloading', 'committed'] as const)
      progress.event(layer('b', phase));
    // The cursor is given back at exit while there are bars.
    expect(process.listenerCount('exit')).toBe(listeners);
    progress.stop();
  });
  it('a bar shows phase, bytes and rate', () => {
    expect(barLine(layer('a', 'downloading', 30_700_000))).toBe(
      'aaaaaaaaaaaa: Downloading        [==============>               ]    30.7MB/61.4MB  41.2MB/s',
    );
  });
});

describe('layers of an archive', () => {
  const terminal = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24 });
  function told(stream: PassThrough, quiet?: boolean): string {
    const listeners = process.listenerCount('exit');
    const progress = layerProgress(stream as unknown as NodeJS.WriteStream, 'Loading layer', quiet);
    progress.working('aaaaaaaaaaaa', 1_000_000, 2_000_000);
    progress.ended('aaaaaaaaaaaa', 2_000_000);
    progress.ended('aaaaaaaaaaaa', 2_000_000);
    progress.ended('bbbbbbbbbbbb', 2_000_000, 'Already exists');
    progress.stop();
    expect(process.listenerCount('exit')).toBe(listeners);
    return String(stream.read() ?? '');
  }

  it('are bars on a terminal, and a line each when they are done', () => {
    const text = told(terminal(true));
    expect(text.match(/aaaaaaaaaaaa: Loading layer \[=+>\] {2}2MB\/2MB\n/g)).toHaveLength(1);
    expect(text).toContain('bbbbbbbbbbbb: Already exists\n');
  });

  it('are nothing in a pipe or with -q', () => {
    expect(told(terminal(false))).toBe('');
    expect(told(terminal(true), true)).toBe('');
  });
});

it('a plan lists layers and totals', () => {
  const plan = {
    reference,
    digest: parseDigest(sha('d')),
    platform: 'linux/amd64',
    fetch: [{ digest: parseDigest(sha('b')), size: 2_000_000 }],
    reuse: [{ digest: parseDigest(sha('a')), size: 1_000_000 }],
    bytesToFetch: 2_000_000,
    bytesReused: 1_000_000,
    diskNeeded: 6_000_000,
    freeBytes: 76_260_000_000,
    freeInodes: Number.POSITIVE_INFINITY,
  };
  expect(renderPlan(plan)).toBe(
    [
      `${reference} (linux/amd64)`,
      `Digest: ${sha('d')}`,
      'LAYER          ACTION    SIZE',
      'bbbbbbbbbbbb   fetch     2MB',
      'aaaaaaaaaaaa   reuse     1MB',
      'To fetch: 2MB in 1 layer; reused: 1MB in 1 layer',
      'Disk needed: 6MB; free: 76.26GB, inodes as needed',
      '',
    ].join('\n'),
  );
});
