import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { GantryError } from '../../src/core/errors.js';
import { ProgressWords } from '../../src/core/progress-words.js';
import { emptyAuthState } from '../../src/registry/auth.js';
import { type BlobStreamOptions, streamBlob } from '../../src/registry/blob-stream.js';
import type { Endpoint } from '../../src/registry/endpoint.js';
import { type FaultyOptions, type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';

const bytes = randomBytes(3_000_000);
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function registry(options?: FaultyOptions): Promise<FaultyRegistry> {
  const started = await startFaultyRegistry(options);
  closing.push(() => started.close());
  return started;
}

const endpoint = (from: { url: string; host: string }, more: Partial<Endpoint> = {}): Endpoint => ({
  base: `${from.url}/v2`,
  host: from.host,
  headers: {},
  tls: {},
  connectTimeoutMs: 30_000,
  capabilities: { pull: true, resolve: true },
  ...more,
});

/** A server that is not quite HTTP. */
async function raw(talk: (socket: net.Socket) => void): Promise<{ url: string; host: string }> {
  const server = net.createServer((socket) => talk(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}`, host };
}

/** Fetches `bytes` and collects what the sink saw. */
function fetching(endpoints: readonly Endpoint[], digest: string, more: Partial<BlobStreamOptions> = {}) {
  const buffer = new Uint8Array(new ArrayBuffer(70_000), 4096, 65_536);
  const chunks: Uint8Array[] = [];
  const pauses: number[] = [];
  const words = new ProgressWords();
  const result = streamBlob({
    source: { endpoints, repository: 'test', auth: emptyAuthState(), userAgent: 'gantry-test' },
    digest: digest as BlobStreamOptions['digest'],
    size: bytes.length,
    buffer,
    words,
    sink: (from, start, end) => {
      if (from !== buffer) throw new Error('not the buffer of the caller');
      chunks.push(from.slice(start, end));
    },
    stallMs: 30_000,
    sleep: async (ms) => void pauses.push(ms),
    env: {},
    ...more,
  });
  return { result, words, pauses, seen: () => Buffer.concat(chunks) };
}

const code = (expected: GantryError['code'], text: RegExp = /./) =>
  expect.toSatisfy(
    (e) => e instanceof GantryError && e.code === expected && text.test(e.message),
    `${expected} ${text}`,
  );

describe('streamBlob', () => {
  it('hands every byte on, in the buffer of the caller, and counts', async () => {
    const server = await registry();
    const t = fetching(
      [endpoint(server, { query: 'ns=docker.io', headers: { 'X-Own': '1' } })],
      server.blob(bytes),
    );
    expect(await t.result).toMatchObject({ outcome: 'complete', bytes: bytes.length, retries: 0 });
    expect(t.seen().equals(bytes)).toBe(true);
    expect(t.words.get('bytesIn')).toBe(bytes.length);
    expect(t.words.phase).toBe('downloading');
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]!.path).toMatch(/^\/v2\/test\/blobs\/sha256:[0-9a-f]{64}\?ns=docker\.io$/);
    expect(server.requests[0]!.headers).toMatchObject({
      'user-agent': 'gantry-test',
      'accept-encoding': 'identity',
      'x-own': '1',
      host: server.host,
    });
    expect(server.requests[0]!.headers.range).toBeUndefined();
  });

  it('reads chunked transfer coding', async () => {
    const server = await registry();
    server.fault = () => ({ chunked: true });
    const t = fetching([endpoint(server)], server.blob(bytes));
    await t.result;
    expect(t.seen().equals(bytes)).toBe(true);
  });

  it('speaks TLS into the same buffer, and refuses a certificate nobody vouches for', async () => {
    const server = await registry({ tls: true });
    const digest = server.blob(bytes);
    const t = fetching([endpoint(server, { tls: { ca: [server.certificate] } })], digest);
    await t.result;
    expect(t.seen().equals(bytes)).toBe(true);
    await fetching([endpoint(server, { tls: { skipVerify: true } })], digest).result;
    const refused = fetching([endpoint(server)], digest);
    await expect(refused.result).rejects.toEqual(code('ERR_NETWORK', /certificate/));
    expect(refused.pauses).toEqual([]);
  });

  it('fetches only a part, by a bounded range', async () => {
    const server = await registry();
    const t = fetching([endpoint(server)], server.blob(bytes), { offset: 1000, end: 2_000_000 });
    await t.result;
    expect(t.seen().equals(bytes.subarray(1000, 2_000_000))).toBe(true);
    expect(server.requests[0]!.headers.range).toBe('bytes=1000-1999999');
    expect(t.words.get('bytesIn')).toBe(2_000_000);
  });

  it('asks nothing for an empty part', async () => {
    expect(await fetching([], `sha256:${'0'.repeat(64)}`, { offset: 7, end: 7 }).result).toMatchObject({
      bytes: 0,
    });
  });
});

describe('resume', () => {
  it('continues a cut transfer at its offset', async () => {
    const server = await registry();
    server.fault = (n) => (n < 3 ? { cutAfter: 700_000 } : undefined);
    const t = fetching([endpoint(server)], server.blob(bytes));
    expect(await t.result).toMatchObject({ outcome: 'complete', retries: 3 });
    expect(t.seen().equals(bytes)).toBe(true);
    expect(server.requests.map((request) => request.headers.range)).toEqual([
      undefined,
      'bytes=700000-2999999',
      'bytes=1400000-2999999',
      'bytes=2100000-2999999',
    ]);
    expect(t.words.get('retries')).toBe(3);
  });

  it('counts only attempts without progress: eight cuts are no reason to give up', async () => {
    const server = await registry();
    server.fault = (n) => (n < 8 ? { cutAfter: 300_000 } : undefined);
    const t = fetching([endpoint(server)], server.blob(bytes));
    expect((await t.result).retries).toBe(8);
    expect(Math.max(...t.pauses)).toBeLessThanOrEqual(500);
  });

  it('gives up after five attempts without a byte, with growing pauses', async () => {
    const server = await registry();
    server.fault = () => ({ cutAfter: 0 });
    const t = fetching([endpoint(server)], server.blob(bytes));
    await expect(t.result).rejects.toEqual(code('ERR_NETWORK'));
    expect(server.requests).toHaveLength(6);
    expect(t.pauses).toHaveLength(5);
    expect(t.pauses[4]).toBeGreaterThan(t.pauses[0]!);
  });

  it('reconnects when nothing comes', async () => {
    const server = await registry();
    server.fault = (n) => (n === 0 ? { stallAfter: 1_000_000 } : n === 1 ? { silent: true } : undefined);
    const t = fetching([endpoint(server)], server.blob(bytes), { stallMs: 300 });
    // A busy machine may be silent once more.
    expect((await t.result).retries).toBeGreaterThanOrEqual(2);
    expect(t.seen().equals(bytes)).toBe(true);
    expect((await t.result).waitingMs).toBeGreaterThan(500);
  });

  it('does not take slowness of the sink for a stall', async () => {
    const server = await registry();
    const t = fetching([endpoint(server)], server.blob(bytes), {
      stallMs: 400,
      sink: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15),
    });
    expect((await t.result).retries).toBe(0);
  });

  it('does not let a server drip its head for ever', async () => {
    const from = await raw((socket) => {
      const timer = setInterval(() => socket.write('X-A: b\r\n'), 50);
      socket.write('HTTP/1.1 200 OK\r\n');
      socket.on('close', () => clearInterval(timer));
    });
    const t = fetching([endpoint(from)], `sha256:${'0'.repeat(64)}`, { stallMs: 150 });
    await expect(t.result).rejects.toEqual(code('ERR_TIMEOUT'));
  });

  it('skips what it has when Range is answered by 200 early in the blob', async () => {
    const server = await registry();
    server.fault = (n) => (n === 0 ? { cutAfter: 500_000 } : { ignoreRange: true });
    const t = fetching([endpoint(server)], server.blob(bytes));
    expect((await t.result).outcome).toBe('complete');
    expect(t.seen().equals(bytes)).toBe(true);
  });

  it('tells the caller to restart when Range is answered by 200 late in the blob', async () => {
    const server = await registry();
    server.fault = (n) => (n === 0 ? { cutAfter: 2_000_000 } : { ignoreRange: true });
    const t = fetching([endpoint(server)], server.blob(bytes));
    expect(await t.result).toMatchObject({ outcome: 'restart', bytes: 2_000_000 });
    expect(t.seen().equals(bytes.subarray(0, 2_000_000))).toBe(true);
  });

  it.each([
    ['another start', 'bytes 5-2999999/3000000'],
    ['another size', 'bytes 700000-2999999/3000001'],
    ['more than was asked for', 'bytes 700000-3000000/3000000'],
    ['nonsense', 'pages 1-2/3'],
  ])('refuses a 206 with %s', async (_, contentRange) => {
    const server = await registry();
    server.fault = (n) => (n === 0 ? { cutAfter: 700_000 } : { headers: { 'Content-Range': contentRange } });
    const t = fetching([endpoint(server)], server.blob(bytes));
    await expect(t.result).rejects.toEqual(
      code('ERR_REGISTRY', new RegExp(`found Content-Range ${contentRange}`)),
    );
    expect(t.seen()).toHaveLength(700_000);
  });

  it('goes on at once when a server answers with less than the range', async () => {
    const server = await registry();
    server.fault = (n) =>
      n === 0
        ? {
            headers: { 'Content-Range': 'bytes 1000-1999/3000000', 'Content-Length': '1000' },
            body: bytes.subarray(1000, 2000),
          }
        : undefined;
    const t = fetching([endpoint(server)], server.blob(bytes), { offset: 1000 });
    expect((await t.result).retries).toBe(0);
    expect(t.seen().equals(bytes.subarray(1000))).toBe(true);
  });

  it('tells what a 416 says', async () => {
    const server = await registry();
    const t = fetching([endpoint(server)], server.blob(bytes.subarray(0, 100)), { offset: 1000 });
    await expect(t.result).rejects.toEqual(code('ERR_REGISTRY', /416.*|bytes=1000-2999999.*bytes \*\/100/));
  });
});

describe('size', () => {
  it('refuses a Content-Length that contradicts the descriptor, before the sink', async () => {
    const server = await registry();
    const t = fetching([endpoint(server)], server.blob(bytes.subarray(1)));
    await expect(t.result).rejects.toEqual(code('ERR_SIZE_MISMATCH', /expected 3000000.*2999999/));
    expect(t.seen()).toHaveLength(0);
  });

  it('refuses extra bytes that no Content-Length announced, and never shows them to the sink', async () => {
    const server = await registry();
    server.fault = () => ({ chunked: true, extra: Buffer.from('surplus') });
    const t = fetching([endpoint(server)], server.blob(bytes));
    await expect(t.result).rejects.toEqual(code('ERR_SIZE_MISMATCH', /more/));
    expect(t.seen().length).toBeLessThanOrEqual(bytes.length);
  });
});

describe('statuses', () => {
  it('waits as long as Retry-After says', async () => {
    const server = await registry();
    const date = new Date(Date.now() + 9000).toUTCString();
    server.fault = (n) =>
      n === 0
        ? { status: 429, headers: { 'Retry-After': '7' } }
        : n === 1
          ? { status: 503, headers: { 'Retry-After': date } }
          : undefined;
    const t = fetching([endpoint(server)], server.blob(bytes), { stallMs: 300 });
    // A busy machine may be silent once more.
    expect((await t.result).retries).toBeGreaterThanOrEqual(2);
    expect(t.pauses[0]).toBe(7000);
    expect(t.pauses[1]).toBeGreaterThan(7000);
    expect(t.pauses[1]).toBeLessThanOrEqual(9000);
  });

  it.each([408, 429, 500, 502, 503, 504])('asks again after %i', async (status) => {
    const server = await registry();
    server.fault = (n) => (n < 3 ? { status } : undefined);
    const t = fetching([endpoint(server)], server.blob(bytes));
    expect((await t.result).retries).toBe(3);
  });

  it.each([
    [403, 'ERR_DENIED'],
    [404, 'ERR_NOT_FOUND'],
    [400, 'ERR_REGISTRY'],
  ] as const)('does not ask again after %i', async (status, expected) => {
    const server = await registry();
    server.fault = () => ({ status });
    const t = fetching([endpoint(server)], server.blob(bytes));
    await expect(t.result).rejects.toEqual(
      code(expected, new RegExp(`${server.host} answered ${status} \\(FAULT: as ordered`)),
    );
    expect(server.requests).toHaveLength(1);
  });

  it('reads only the beginning of a refusal that does not end', async () => {
    const from = await raw((socket) => {
      const more = () => socket.destroyed || socket.write(Buffer.alloc(65_536, 'x'), more);
      socket.write('HTTP/1.1 404 Not Found\r\n\r\n', more);
    });
    const t = fetching([endpoint(from)], `sha256:${'0'.repeat(64)}`);
    await expect(t.result).rejects.toEqual(code('ERR_NOT_FOUND', /answered 404/));
  });

  it('refuses a header that would add others to the request', async () => {
    const server = await registry();
    const t = fetching([endpoint(server, { headers: { 'X-A': 'b\r\nX-Evil: 1' } })], server.blob(bytes));
    await expect(t.result).rejects.toEqual(code('ERR_INVALID_ARGUMENT', /line break/));
    expect(server.requests).toHaveLength(0);
  });

  it('gets a token when challenged, and another when that ends in the middle of the pull', async () => {
    const server = await registry({ auth: true });
    const digest = server.blob(bytes);
    server.fault = (n) => (n === 1 ? { cutAfter: 1_000_000 } : undefined);
    let once = true;
    const t = fetching([endpoint(server)], digest, {
      sleep: async () => {
        if (once) server.expireToken();
        once = false;
      },
    });
    await t.result;
    expect(t.seen().equals(bytes)).toBe(true);
    const asked = server.requests.map(
      (request) => `${request.path.slice(0, 6)} ${request.headers.authorization}`,
    );
    expect(asked).toEqual([
      '/v2/te undefined',
      '/token undefined',
      '/v2/te Bearer token-1',
      '/v2/te Bearer token-1',
      '/token undefined',
      '/v2/te Bearer token-3',
    ]);
  });
});

describe('endpoints and redirects', () => {
  it('goes to the next endpoint when one cannot serve, in the middle too', async () => {
    const mirror = await registry();
    const origin = await registry();
    mirror.blob(bytes);
    mirror.fault = (n) => (n === 0 ? { cutAfter: 900_000 } : { status: 404 });
    const unused = endpoint(origin, {
      base: 'http://127.0.0.1:1/v2',
      capabilities: { pull: false, resolve: true },
    });
    const t = fetching([unused, endpoint(mirror), endpoint(origin)], origin.blob(bytes));
    await t.result;
    expect(t.seen().equals(bytes)).toBe(true);
    expect(origin.requests[0]!.headers.range).toBe('bytes=900000-2999999');
  });

  it('names every endpoint when all fail', async () => {
    const [one, two] = [await registry(), await registry()];
    const t = fetching([endpoint(one), endpoint(two)], `sha256:${'0'.repeat(64)}`);
    await expect(t.result).rejects.toEqual(code('ERR_NOT_FOUND', new RegExp(`${one.host}.*; .*${two.host}`)));
  });

  it('follows redirects, and leaves Authorization and own headers at home', async () => {
    const cdn = await registry({ host: '127.0.0.2' });
    const server = await registry({ auth: true });
    const digest = cdn.blob(bytes);
    server.fault = (n, path) =>
      n < 2
        ? { redirect: `${path.slice(0, path.indexOf('?'))}?again` }
        : { redirect: `${cdn.url}/v2/cdn/blobs/${digest}?sig=secret` };
    const t = fetching([endpoint(server, { query: 'ns=x', headers: { 'X-Own': '1' } })], digest);
    await t.result;
    expect(t.seen().equals(bytes)).toBe(true);
    expect(cdn.requests).toHaveLength(1);
    expect(cdn.requests[0]!.headers.authorization).toBeUndefined();
    expect(cdn.requests[0]!.headers['x-own']).toBeUndefined();
    expect(server.requests.at(-1)!.headers.authorization).toBe('Bearer token-1');
    expect(server.requests.at(-1)!.headers['x-own']).toBe('1');
  });

  it('asks the registry again, not the redirect, after a cut; keeps signatures out of errors', async () => {
    const cdn = await registry({ host: '127.0.0.2' });
    const server = await registry();
    const digest = server.blob(bytes);
    server.fault = () => ({ redirect: `${cdn.url}/v2/cdn/blobs/${digest}?sig=secret` });
    cdn.blob(bytes);
    cdn.fault = (n) => (n === 0 ? { cutAfter: 1_200_000 } : { status: 403 });
    const t = fetching([endpoint(server)], digest);
    await expect(t.result).rejects.toEqual(code('ERR_DENIED', /127\.0\.0\.2/));
    await expect(t.result).rejects.not.toEqual(code('ERR_DENIED', /secret/));
    expect(server.requests).toHaveLength(2);
  });

  it('refuses loops, and https to http', async () => {
    const plain = await registry();
    plain.fault = () => ({ redirect: '/again' });
    const loop = fetching([endpoint(plain)], plain.blob(bytes));
    await expect(loop.result).rejects.toEqual(code('ERR_REGISTRY', /redirects more than 5 times/));
    const server = await registry({ tls: true });
    server.fault = () => ({ redirect: `${plain.url}/x` });
    const down = fetching([endpoint(server, { tls: { ca: [server.certificate] } })], plain.blob(bytes));
    await expect(down.result).rejects.toEqual(code('ERR_REGISTRY', /https:\/\/ to http:\/\//));
  });
});

describe('proxies', () => {
  async function proxy(): Promise<{ url: string; seen: string[]; tunnels: Set<unknown> }> {
    const seen: string[] = [];
    const tunnels = new Set<unknown>();
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
      const { host, pathname } = new URL(request.url!);
      fetch(`http://${host}${pathname}`).then(async (answer) =>
        response.end(Buffer.from(await answer.arrayBuffer())),
      );
    });
    server.on('connect', (request, socket) => {
      seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
      const [host, port] = request.url!.split(':');
      const onward = net.connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      socket.on('error', () => {}).on('close', () => tunnels.delete(socket) && onward.destroy());
      onward.on('error', () => {}).on('close', () => socket.destroy());
      tunnels.add(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    return { url: `http://us%40r:pw@127.0.0.1:${(server.address() as AddressInfo).port}`, seen, tunnels };
  }
  const basic = `Basic ${Buffer.from('us@r:pw').toString('base64')}`;

  it('asks an http registry in absolute form', async () => {
    const [server, via] = [await registry(), await proxy()];
    const digest = server.blob(bytes);
    const t = fetching([endpoint(server, { proxy: via.url })], digest);
    await t.result;
    expect(t.seen().equals(bytes)).toBe(true);
    expect(via.seen).toEqual([`GET ${server.url}/v2/test/blobs/${digest} ${basic}`]);
  });

  it('reaches an https registry through CONNECT, still into the buffer of the caller', async () => {
    const [server, via] = [await registry({ tls: true }), await proxy()];
    server.fault = (n) => (n === 0 ? { cutAfter: 1_000_000 } : undefined);
    const t = fetching(
      [endpoint(server, { proxy: via.url, tls: { ca: [server.certificate] } })],
      server.blob(bytes),
    );
    expect((await t.result).retries).toBe(1);
    expect(t.seen().equals(bytes)).toBe(true);
    expect(via.seen).toEqual(Array(2).fill(`CONNECT ${server.host} ${basic}`));
    await expect.poll(() => via.tunnels.size).toBe(0);
  });
});

describe('ending', () => {
  it('stops soon after a cancel, and leaves no socket or timer', async () => {
    const server = await registry();
    server.fault = () => ({ stallAfter: 1_000_000 });
    const t = fetching([endpoint(server)], server.blob(bytes));
    await new Promise((resolve) => setTimeout(resolve, 150));
    const asked = performance.now();
    t.words.cancel();
    await expect(t.result).rejects.toEqual(code('ERR_CANCELED'));
    expect(performance.now() - asked).toBeLessThan(5000);
    await expect.poll(() => server.openSockets()).toBe(0);
  });

  it('stops while it pauses between attempts', async () => {
    const server = await registry();
    server.fault = () => ({ status: 429, headers: { 'Retry-After': '30' } });
    const { sleep } = await import('../../src/registry/backoff.js');
    const t = fetching([endpoint(server)], server.blob(bytes), { sleep });
    setTimeout(() => t.words.cancel(), 100);
    await expect(t.result).rejects.toEqual(code('ERR_CANCELED'));
  });

  it('rejects with what the sink threw, once', async () => {
    const server = await registry();
    const broken = new GantryError('ERR_NETWORK', 'looks transient, is not ours to retry');
    let calls = 0;
    const t = fetching([endpoint(server), endpoint(server)], server.blob(bytes), {
      sink: () => {
        if (++calls === 3) throw broken;
      },
    });
    await expect(t.result).rejects.toBe(broken);
    expect(calls).toBe(3);
    expect(server.requests).toHaveLength(1);
  });

  it('reports a refused connection by its host', async () => {
    const t = fetching(
      [endpoint({ url: 'http://127.0.0.1:1', host: '127.0.0.1:1' })],
      `sha256:${'0'.repeat(64)}`,
    );
    await expect(t.result).rejects.toEqual(code('ERR_NETWORK', /127\.0\.0\.1:1.*ECONNREFUSED/));
    expect(t.pauses).toHaveLength(5);
  });
});
