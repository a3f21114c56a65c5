import type { AddressInfo } from 'node:net';
import { createServer as createNetServer, connect as netConnect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { GantryError } from '../../src/core/errors.js';
import { backoffMs, retryAfterMs } from '../../src/registry/backoff.js';
import { HttpClient, type HttpRequest } from '../../src/registry/http.js';
import { LOCALHOST_CERT } from './localhost-certificate.js';
import { type ScriptedRegistry, scriptedRegistry, send } from './scripted-registry.js';

const NOW = Date.parse('2030-01-01T00:00:00Z');

function client(env: NodeJS.ProcessEnv = {}) {
  const waits: number[] = [];
  const http = new HttpClient({
    userAgent: 'gantry/test',
    env,
    now: () => NOW,
    sleep: async (ms, signal) => {
      waits.push(ms);
      signal?.throwIfAborted();
    },
  });
  return { http, waits, [Symbol.dispose]: () => http.close() };
}
const request = (registry: ScriptedRegistry, path = '/x', more: Partial<HttpRequest> = {}): HttpRequest => ({
  url: new URL(`http://${registry.host}${path}`),
  what: 'thing',
  limit: 1000,
  ...more,
});
const failure = (promise: Promise<unknown>): Promise<GantryError> =>
  promise.then(
    () => expect.unreachable(),
    (error: GantryError) => error,
  );

test('an answer, asked for as it is', async () => {
  await using registry = await scriptedRegistry();
  using c = client();
  registry.on('GET /x', send('hello', { 'x-a': '1' }));
  const response = await c.http.fetch(
    request(registry, '/x?ns=docker.io', { route: { headers: { 'x-route': 'r' } } }),
  );
  expect(response).toMatchObject({ status: 200, body: Buffer.from('hello'), headers: { 'x-a': '1' } });
  expect(registry.asked[0]).toMatchObject({
    url: '/x?ns=docker.io',
    headers: { 'accept-encoding': 'identity', 'user-agent': 'gantry/test', 'x-route': 'r' },
  });
});

describe('retries', () => {
  test.each([408, 429, 500, 502, 503, 504])('%i is asked again', async (status) => {
    await using registry = await scriptedRegistry();
    using c = client();
    let times = 0;
    registry.on('GET /x', (_, response) => response.writeHead(++times < 3 ? status : 200).end('ok'));
    expect((await c.http.fetch(request(registry))).body.toString()).toBe('ok');
    expect(c.waits).toHaveLength(2);
    expect(c.waits[0]).toBeGreaterThanOrEqual(250);
    expect(c.waits[1]).toBeLessThanOrEqual(1000);
  });

  test.each([400, 401, 403, 404, 501])('%i is not', async (status) => {
    await using registry = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', send('', {}, status));
    await failure(c.http.fetch(request(registry)));
    expect(registry.asked).toHaveLength(1);
  });

  test('Retry-After is honoured, five requests in all, then the reason and the limit are told', async () => {
    await using registry = await scriptedRegistry();
    using c = client();
    const body = '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow \\u001b[31mdown"}]}';
    registry.on('GET /x', send(body, { 'retry-after': '7', 'ratelimit-remaining': '0;w=21600' }, 429));
    const error = await failure(c.http.fetch(request(registry)));
    expect(c.waits).toEqual([7000, 7000, 7000, 7000]);
    expect(error).toMatchObject({
      code: 'ERR_RATE_LIMITED',
      message: `thing: ${registry.host} answered 429 (TOOMANYREQUESTS: slow [31mdown)`,
      details: { rateLimitRemaining: '0;w=21600', retryAfter: '7' },
    });
  });

  test('a connection cut short', async () => {
    await using registry = await scriptedRegistry();
    using c = client();
    let times = 0;
    registry.on('GET /x', (_, response) => {
      if (++times === 1) response.destroy();
      else if (times === 2)
        response.writeHead(200, { 'content-length': '100' }).write('part', () => response.destroy());
      else response.end('ok');
    });
    expect((await c.http.fetch(request(registry))).body.toString()).toBe('ok');
  });

  test('nobody there', async () => {
    const registry = await scriptedRegistry();
    await registry[Symbol.asyncDispose]();
    using c = client();
    const error = await failure(c.http.fetch(request(registry, '/x?token=s3cret', { attempts: 2 })));
    expect(error).toMatchObject({ code: 'ERR_NETWORK', details: { errno: 'ECONNREFUSED' } });
    expect(error.message).toContain(`cannot reach http://${registry.host}/x: `);
    expect(error.message).not.toContain('s3cret');
    expect(c.waits).toHaveLength(1);
  });

  test('waits', () => {
    expect(
      [
        '5',
        ' 0 ',
        '3600',
        'Tue, 01 Jan 2030 00:00:09 GMT',
        'Mon, 31 Dec 2029 00:00:00 GMT',
        'x',
        undefined,
      ].map((h) => retryAfterMs(h, NOW)),
    ).toEqual([5000, 0, 60_000, 9000, 0, undefined, undefined]);
    expect([0, 1, 2, 3, 4, 40].map((attempt) => backoffMs(attempt, () => 1))).toEqual([
      500, 1000, 2000, 4000, 5000, 5000,
    ]);
    expect(backoffMs(0, () => 0)).toBe(250);
  });
});

describe('redirects', () => {
  test('another origin gets no Authorization and no configured header', async () => {
    await using registry = await scriptedRegistry();
    await using cdn = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', send('', { location: '/y' }, 302));
    registry.on('GET /y', send('', { location: `http://user:pw@${cdn.host}/blob?sig=s3cret` }, 307));
    cdn.on('GET /blob', send('bytes'));
    const response = await c.http.fetch(
      request(registry, '/x', {
        headers: { authorization: 'Bearer secret', accept: 'text/x' },
        route: { headers: { 'x-key': 'secret' } },
      }),
    );
    expect(response.body.toString()).toBe('bytes');
    expect(registry.asked[1]!.headers).toMatchObject({ authorization: 'Bearer secret', 'x-key': 'secret' });
    expect(cdn.asked[0]!.url).toBe('/blob?sig=s3cret');
    expect(cdn.asked[0]!.headers.accept).toBe('text/x');
    expect(JSON.stringify(cdn.asked[0]!.headers)).not.toMatch(/secret|authorization/);
  });

  test('the signature of a redirect is in no error', async () => {
    await using registry = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', send('', { location: '/gone?sig=s3cret' }, 307));
    const error = await failure(c.http.fetch(request(registry)));
    expect(error.code).toBe('ERR_NOT_FOUND');
    expect(JSON.stringify([error.message, error.details])).not.toContain('s3cret');
  });

  test.each([
    ['ftp://x/y', 'expected https'],
    ['http://[', 'no URL'],
    ['/x', 'more than 5 times'],
  ])('%s is refused', async (location, why) => {
    await using registry = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', send('', { location }, 302));
    expect(await failure(c.http.fetch(request(registry)))).toMatchObject({
      code: 'ERR_REGISTRY',
      message: expect.stringContaining(why),
    });
  });

  test('https never becomes http', async () => {
    await using registry = await scriptedRegistry({ tls: true });
    await using plain = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', send('', { location: `http://${plain.host}/x` }, 307));
    const error = await failure(
      c.http.fetch({
        ...request(registry),
        url: new URL(`https://${registry.host}/x`),
        route: { tls: { ca: [LOCALHOST_CERT] } },
      }),
    );
    expect(error.message).toContain('from https:// to http://');
    expect(plain.asked).toEqual([]);
  });
});

describe('bounds', () => {
  test('a body over its limit, with and without a length', async () => {
    await using registry = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', send('x'.repeat(1001)));
    registry.on('GET /y', (_, response) => {
      response.write('x'.repeat(600));
      response.end('x'.repeat(600));
    });
    registry.on('GET /z', send('x'.repeat(1000)));
    for (const path of ['/x', '/y']) {
      expect((await failure(c.http.fetch(request(registry, path)))).message).toContain(
        'more than the 1000 bytes',
      );
    }
    expect((await c.http.fetch(request(registry, '/z'))).body).toHaveLength(1000);
  });

  test('a huge error page is cut, not refused', async () => {
    await using registry = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', send('<html>'.repeat(100_000), {}, 403));
    expect(await failure(c.http.fetch(request(registry)))).toMatchObject({
      code: 'ERR_DENIED',
      message: `thing: ${registry.host} answered 403`,
    });
  });

  test('cancel: before, and during an answer that does not come', async () => {
    await using registry = await scriptedRegistry();
    using c = client();
    registry.on('GET /x', () => {});
    for (const ms of [0, 50]) {
      const signal = ms === 0 ? AbortSignal.abort() : AbortSignal.timeout(ms);
      expect(await failure(c.http.fetch(request(registry, '/x', { signal })))).toMatchObject({
        code: 'ERR_CANCELED',
      });
    }
    expect(c.waits).toEqual([]);
  });
});

describe('TLS', () => {
  const secure = (registry: ScriptedRegistry, route: HttpRequest['route'] = {}): HttpRequest => ({
    ...request(registry),
    url: new URL(`https://${registry.host}/x`),
    route,
    attempts: 1,
  });

  test('an unknown authority is refused with what to do; its certificate or skipVerify is accepted', async () => {
    await using registry = await scriptedRegistry({ tls: true });
    using c = client();
    registry.on('GET /x', send('ok'));
    const error = await failure(c.http.fetch(secure(registry)));
    expect(error.code).toBe('ERR_NETWORK');
    expect(error.details.hint).toContain(`/etc/gantry/certs.d/${registry.host}/ca.crt`);
    expect((await c.http.fetch(secure(registry, { tls: { ca: [LOCALHOST_CERT] } }))).status).toBe(200);
    expect((await c.http.fetch(secure(registry, { tls: { skipVerify: true } }))).status).toBe(200);
    await failure(c.http.fetch(secure(registry)));
  });

  test('a registry without TLS', async () => {
    await using registry = await scriptedRegistry();
    using c = client();
    const error = await failure(c.http.fetch(secure(registry)));
    expect(error.details.hint).toContain(`GANTRY_INSECURE_REGISTRIES=${registry.host}`);
  });

  test('a certificate that is none', async () => {
    await using registry = await scriptedRegistry({ tls: true });
    using c = client();
    const route = { tls: { cert: 'nonsense', key: 's3cret' } };
    expect(await failure(c.http.fetch(secure(registry, route)))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });
});

describe('proxies', () => {
  /** Connects every tunnel to `registry`, whatever it is asked for. */
  async function tunnelProxy(registry: ScriptedRegistry, answer = '200 ok') {
    const heads: string[] = [];
    const server = createNetServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (head) => {
        heads.push(head.toString());
        if (!answer.startsWith('200')) {
          socket.end(`HTTP/1.1 ${answer}\r\ncontent-length: 0\r\n\r\n`);
          return;
        }
        const [host, port] = registry.host.split(':');
        const target = netConnect(Number(port), host, () => {
          socket.write(`HTTP/1.1 ${answer}\r\n\r\n`);
          target.pipe(socket).pipe(target);
        });
        target.on('error', () => {});
        target.on('close', () => socket.destroy());
        socket.on('close', () => target.destroy());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return {
      heads,
      url: `http://me:p%40ss@127.0.0.1:${port}`,
      [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
    };
  }
  const login = Buffer.from('me:p@ss').toString('base64');
  const secure = (more: Partial<HttpRequest> = {}): HttpRequest => ({
    url: new URL('https://localhost.example:8443/x'),
    what: 'thing',
    limit: 10,
    attempts: 1,
    ...more,
  });

  test('a tunnel for https, with the proxy’s login and without the registry’s', async () => {
    await using registry = await scriptedRegistry({ tls: true });
    await using proxy = await tunnelProxy(registry);
    using c = client({ HTTPS_PROXY: proxy.url });
    registry.on('GET /x', send('ok'));
    const headers = { authorization: 'Bearer secret' };
    const response = await c.http.fetch(secure({ route: { tls: { skipVerify: true } }, headers }));
    expect(response.body.toString()).toBe('ok');
    expect(proxy.heads[0]).toMatch(/^CONNECT localhost\.example:8443 HTTP\/1\.1\r\n/);
    expect(proxy.heads[0]).toContain(`proxy-authorization: Basic ${login}`);
    expect(proxy.heads[0]).not.toMatch(/\bsecret|user-agent/i);
    expect(registry.asked[0]!.headers).toMatchObject({
      authorization: 'Bearer secret',
      host: 'localhost.example:8443',
    });
    expect(registry.asked[0]!.headers['proxy-authorization']).toBeUndefined();
  });

  test('the registry’s certificate is checked inside the tunnel', async () => {
    await using registry = await scriptedRegistry({ tls: true });
    await using proxy = await tunnelProxy(registry);
    using c = client({ HTTPS_PROXY: proxy.url });
    const ca = { route: { tls: { ca: [LOCALHOST_CERT] } } };
    expect((await failure(c.http.fetch(secure(ca)))).message).toContain(
      "does not match certificate's altnames",
    );
    expect(registry.asked).toEqual([]);
  });

  test('a proxy that refuses is named, its login is not', async () => {
    await using registry = await scriptedRegistry();
    await using proxy = await tunnelProxy(registry, '407 login');
    using c = client({ HTTPS_PROXY: proxy.url });
    const error = await failure(c.http.fetch(secure()));
    expect(error.message).toMatch(/^proxy 127\.0\.0\.1:\d+ answered 407 to CONNECT localhost\.example:8443/);
    expect(`${error.stack}${JSON.stringify(error)}`).not.toMatch(/p@ss|p%40ss/);
  });

  test('http goes through in absolute form', async () => {
    await using registry = await scriptedRegistry();
    using c = client({ HTTP_PROXY: `http://me:p%40ss@${registry.host}` });
    registry.on('GET http://reg.example:5000/x', send('ok'));
    const response = await c.http.fetch(secure({ url: new URL('http://reg.example:5000/x?ns=a') }));
    expect(response.body.toString()).toBe('ok');
    expect(registry.asked[0]).toMatchObject({
      url: 'http://reg.example:5000/x?ns=a',
      headers: { host: 'reg.example:5000', 'proxy-authorization': `Basic ${login}` },
    });
  });
});

test('a host that accepts and never answers is given up after the time to connect', async () => {
  const server = createNetServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  using c = client();
  const { port } = server.address() as AddressInfo;
  const route = { connectTimeoutMs: 100 };
  const url = new URL(`https://127.0.0.1:${port}/x`);
  const error = await failure(c.http.fetch({ url, what: 'thing', limit: 1, attempts: 1, route }));
  expect(error).toMatchObject({ code: 'ERR_TIMEOUT', message: expect.stringContaining('within 100 ms') });
  server.close();
});
