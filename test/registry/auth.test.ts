import { beforeEach, describe, expect, test } from 'vitest';
import type { GantryError } from '../../src/core/errors.js';
import { Authorizer, emptyAuthState } from '../../src/registry/auth.js';
import type { Credential, Endpoint } from '../../src/registry/endpoint.js';
import { type ScriptedRegistry, scriptedRegistry, send } from './scripted-registry.js';

const endpointOf = (registry: Pick<ScriptedRegistry, 'host'>, more: Partial<Endpoint> = {}): Endpoint => ({
  base: `http://${registry.host}/v2`,
  host: registry.host,
  headers: {},
  tls: {},
  connectTimeoutMs: 30_000,
  capabilities: { pull: true, resolve: true },
  ...more,
});

let now: number;
beforeEach(() => {
  now = 1_000_000;
});
const authorizer = (credential: Credential = { kind: 'anonymous' }) =>
  new Authorizer(emptyAuthState(), {
    userAgent: 'gantry/test',
    env: {},
    now: () => now,
    sleep: async () => {},
    lookup: async () => credential,
  });
const bearer = (registry: ScriptedRegistry, more = '') =>
  `Bearer realm="http://${registry.host}/token",service="reg"${more}`;
const basic = (login: string) => `Basic ${Buffer.from(login).toString('base64')}`;

/** Tokens t1, t2…, each of 100 s. */
function serveTokens(registry: ScriptedRegistry): void {
  let count = 0;
  registry.on('GET /token', (_, response) =>
    response.end(JSON.stringify({ token: `t${++count}`, expires_in: 100 })),
  );
}

describe('bearer', () => {
  test('nothing is sent before a challenge, a token after it', async () => {
    await using registry = await scriptedRegistry();
    serveTokens(registry);
    const a = authorizer();
    const endpoint = endpointOf(registry);
    expect(await a.header(endpoint, 'a/b')).toBeUndefined();
    expect(await a.challenged(endpoint, 'a/b', bearer(registry, ',scope="repository:a/b:pull,push"'))).toBe(
      true,
    );
    expect(await a.header(endpoint, 'a/b')).toBe('Bearer t1');
    expect(registry.asked.map(({ url }) => url)).toEqual([
      '/token?service=reg&scope=repository%3Aa%2Fb%3Apull%2Cpush',
    ]);
    expect(registry.asked[0]!.headers.authorization).toBeUndefined();
  });

  test('a login goes to the realm as Basic; the scope is made up where none is said', async () => {
    await using registry = await scriptedRegistry();
    serveTokens(registry);
    const a = authorizer({ kind: 'basic', username: 'me', password: 'pw' });
    await a.challenged(endpointOf(registry, { repository: 'inner/b' }), 'a/b', bearer(registry));
    expect(registry.asked[0]).toMatchObject({
      url: '/token?service=reg&scope=repository%3Ainner%2Fb%3Apull&account=me',
      headers: { authorization: basic('me:pw') },
    });
  });

  test('renewed at 80 % of its life, once for all who ask at the same time', async () => {
    await using registry = await scriptedRegistry();
    serveTokens(registry);
    const a = authorizer();
    const endpoint = endpointOf(registry);
    await a.challenged(endpoint, 'a/b', bearer(registry));
    now += 79_000;
    expect(await a.header(endpoint, 'a/b')).toBe('Bearer t1');
    now += 2000;
    const all = await Promise.all([1, 2, 3].map(() => a.header(endpoint, 'a/b')));
    expect(all).toEqual(['Bearer t2', 'Bearer t2', 'Bearer t2']);
  });

  test('a token server that is down costs nothing while the token lasts', async () => {
    await using registry = await scriptedRegistry();
    serveTokens(registry);
    const a = authorizer();
    const endpoint = endpointOf(registry);
    await a.challenged(endpoint, 'a/b', bearer(registry));
    registry.on('GET /token', send('', {}, 500));
    now += 90_000;
    expect(await a.header(endpoint, 'a/b')).toBe('Bearer t1');
    now += 20_000;
    await expect(a.header(endpoint, 'a/b')).rejects.toMatchObject({ code: 'ERR_REGISTRY' });
  });

  test('a refused token is replaced once, whoever comes late gets the new one', async () => {
    await using registry = await scriptedRegistry();
    serveTokens(registry);
    const a = authorizer();
    const endpoint = endpointOf(registry);
    await a.challenged(endpoint, 'a/b', bearer(registry));
    expect(await a.challenged(endpoint, 'a/b', bearer(registry), 'Bearer t1')).toBe(true);
    expect(await a.challenged(endpoint, 'a/b', bearer(registry), 'Bearer t1')).toBe(true);
    expect(await a.header(endpoint, 'a/b')).toBe('Bearer t2');
  });

  test('the state is plain data that another thread goes on with', async () => {
    await using registry = await scriptedRegistry();
    serveTokens(registry);
    const first = authorizer({ kind: 'basic', username: 'me', password: 'pw' });
    const endpoint = endpointOf(registry);
    await first.challenged(endpoint, 'a/b', bearer(registry));
    const second = new Authorizer(structuredClone(first.state()), {
      userAgent: 'x',
      env: {},
      now: () => now,
    });
    expect(await second.header(structuredClone(endpoint), 'a/b')).toBe('Bearer t1');
    now += 100_000;
    expect(await second.header(endpoint, 'a/b')).toBe('Bearer t2');
    expect(registry.asked[1]!.headers.authorization).toBe(basic('me:pw'));
  });

  test('an identity token is exchanged by POST', async () => {
    await using registry = await scriptedRegistry();
    registry.on('POST /token', send('{"access_token":"at"}'));
    const a = authorizer({ kind: 'identity', token: 'refresh&me' });
    await a.challenged(endpointOf(registry), 'a/b', bearer(registry, ',scope="repository:a/b:pull"'));
    expect(await a.header(endpointOf(registry), 'a/b')).toBe('Bearer at');
    expect(Object.fromEntries(new URLSearchParams(registry.asked[0]!.body))).toEqual({
      grant_type: 'refresh_token',
      service: 'reg',
      client_id: 'gantry/test',
      scope: 'repository:a/b:pull',
      refresh_token: 'refresh&me',
    });
    expect(registry.asked[0]!.url).toBe('/token');
  });

  test('a registry token is sent as it is', async () => {
    await using registry = await scriptedRegistry();
    const a = authorizer({ kind: 'registry', token: 'mine' });
    const endpoint = endpointOf(registry);
    expect(await a.challenged(endpoint, 'a/b', bearer(registry))).toBe(true);
    expect(await a.header(endpoint, 'a/b')).toBe('Bearer mine');
    expect(await a.challenged(endpoint, 'a/b', bearer(registry), 'Bearer mine')).toBe(false);
    expect(registry.asked).toEqual([]);
  });

  test.each([
    ['not json', 'secret-looking garbage'],
    ['no token', '{"detail":"secret"}'],
    ['a token that would split a header', '{"token":"secret\\r\\nx: y"}'],
    ['too long', JSON.stringify({ token: 'secret'.repeat(20_000) })],
  ])('%s is refused and not quoted', async (_, body) => {
    await using registry = await scriptedRegistry();
    registry.on('GET /token', send(body));
    const error = await authorizer()
      .challenged(endpointOf(registry), 'a/b', bearer(registry))
      .catch((e: GantryError) => e);
    expect(error).toMatchObject({ code: 'ERR_REGISTRY' });
    expect(`${(error as GantryError).message}${(error as GantryError).cause}`).not.toContain('secret');
  });

  test.each([401, 403, 400])('a login refused by %i', async (status) => {
    await using registry = await scriptedRegistry();
    registry.on('GET /token', send('{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}', {}, status));
    const error = await authorizer({ kind: 'basic', username: 'me', password: 's3cret' })
      .challenged(endpointOf(registry), 'a/b', bearer(registry))
      .catch((e: GantryError) => e);
    expect(error).toMatchObject({
      code: 'ERR_UNAUTHORIZED',
      message: `the token server of ${registry.host} refused the stored login for ${registry.host}`,
      details: { hint: `gantry login ${registry.host}` },
    });
    expect(JSON.stringify(error)).not.toContain('s3cret');
  });
});

describe('realms', () => {
  test('http is refused to a registry of https, and nonsense to all', async () => {
    await using registry = await scriptedRegistry();
    const secure = endpointOf(registry, { base: `https://${registry.host}/v2` });
    const a = authorizer({ kind: 'basic', username: 'me', password: 'pw' });
    await expect(a.challenged(secure, 'a/b', bearer(registry))).rejects.toThrow(/must not be asked/);
    for (const realm of ['file:///etc/passwd', 'token', '']) {
      await expect(
        a.challenged(endpointOf(registry), 'a/b', `Bearer realm="${realm}"`),
      ).rejects.toMatchObject({
        code: 'ERR_REGISTRY',
      });
    }
    expect(registry.asked).toEqual([]);
  });

  test('credentials of one host are not used for another', async () => {
    await using registry = await scriptedRegistry();
    serveTokens(registry);
    const logins = new Map([['mirror.corp', 'mirror-login']]);
    const asked: string[] = [];
    const a = new Authorizer(emptyAuthState(), {
      userAgent: 'x',
      env: {},
      lookup: async (host) => {
        asked.push(host);
        const password = logins.get(host);
        return password === undefined ? { kind: 'anonymous' } : { kind: 'basic', username: 'u', password };
      },
    });
    await a.challenged(endpointOf(registry), 'a/b', bearer(registry));
    expect(registry.asked[0]!.headers.authorization).toBeUndefined();
    expect(asked).toEqual([registry.host]);
    await a.challenged(endpointOf(registry, { host: 'mirror.corp' }), 'a/b', bearer(registry));
    expect(registry.asked[1]!.headers.authorization).toBe(basic('u:mirror-login'));
  });
});

describe('basic', () => {
  test('with a login once, not again when it is refused; without one not at all', async () => {
    const endpoint = endpointOf({ host: '127.0.0.1:1' });
    const a = authorizer({ kind: 'basic', username: 'me', password: 'p:w' });
    expect(await a.challenged(endpoint, 'a/b', 'Basic realm="x"')).toBe(true);
    expect(await a.header(endpoint, 'a/b')).toBe(basic('me:p:w'));
    expect(await a.challenged(endpoint, 'a/b', 'Basic realm="x"', basic('me:p:w'))).toBe(false);
    expect(await authorizer().challenged(endpoint, 'a/b', 'Basic realm="x"')).toBe(false);
    expect(await a.challenged(endpoint, 'a/b', 'Negotiate')).toBe(false);
  });
});
