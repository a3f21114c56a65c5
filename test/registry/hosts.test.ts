import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { blobURL, manifestURL } from '../../src/registry/endpoint.js';
import { Hosts } from '../../src/registry/hosts.js';
import { durationMs } from '../../src/registry/hosts-toml.js';
import { InsecureHosts } from '../../src/registry/insecure.js';
import { parseReference } from '../../src/registry/reference.js';
import { scriptedRegistry } from './scripted-registry.js';

let directory: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-hosts-'));
  env = {
    GANTRY_HOSTS_DIR: join(directory, 'certs.d'),
    GANTRY_REGISTRIES_CONF: join(directory, 'registries.conf'),
  };
});
afterEach(() => rmSync(directory, { recursive: true }));

function file(path: string, content: string): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), content);
}
const hostsToml = (host: string, content: string) => file(`certs.d/${host}/hosts.toml`, content);
const endpoints = (image: string) => new Hosts({ env }).endpoints(parseReference(image));
const bases = async (image: string) => (await endpoints(image)).map(({ base }) => base);

describe('nothing configured', () => {
  test('docker hub', async () => {
    const [endpoint, ...others] = await endpoints('redis');
    expect(others).toEqual([]);
    expect(endpoint).toEqual({
      base: 'https://registry-1.docker.io/v2',
      host: 'docker.io',
      headers: {},
      tls: {},
      connectTimeoutMs: 30_000,
      capabilities: { pull: true, resolve: true },
    });
    expect(manifestURL(endpoint!, 'library/redis', '7').href).toBe(
      'https://registry-1.docker.io/v2/library/redis/manifests/7',
    );
  });

  test('another registry, with a proxy from the environment', async () => {
    env.HTTPS_PROXY = 'http://proxy:3128';
    expect(await endpoints('quay.io/a/b')).toMatchObject([
      { base: 'https://quay.io/v2', host: 'quay.io', proxy: 'http://proxy:3128' },
    ]);
  });

  test('a proxy of a kind that cannot be used', async () => {
    env.HTTPS_PROXY = 'socks5://user:secret@proxy';
    const error = await endpoints('quay.io/a/b').catch((e: Error) => e);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect((error as Error).message).not.toContain('secret');
  });
});

describe('clear text', () => {
  let server: Server;
  let connections = 0;
  beforeEach(async () => {
    connections = 0;
    server = createServer((_, response) => response.end());
    server.on('connection', () => connections++);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  test('a loopback registry without TLS is found out by one handshake', async () => {
    const { port } = server.address() as AddressInfo;
    const hosts = new Hosts({ env });
    for (let i = 0; i < 3; i++) {
      expect(await hosts.endpoints(parseReference(`127.0.0.1:${port}/a`))).toMatchObject([
        { base: `http://127.0.0.1:${port}/v2`, host: `127.0.0.1:${port}`, tls: { skipVerify: true } },
      ]);
    }
    expect(connections).toBe(1);
  });

  test('a loopback registry with TLS is spoken to by TLS, whoever signed its certificate', async () => {
    await using registry = await scriptedRegistry({ tls: true });
    expect(await endpoints(`${registry.host}/a`)).toMatchObject([
      { base: `https://${registry.host}/v2`, tls: { skipVerify: true } },
    ]);
  });

  test('only loopback and the configured are insecure', () => {
    const insecure = new InsecureHosts('Reg.corp:5000, plain.corp,10.0.0.0/8');
    const yes = [
      'localhost:1',
      '[::1]',
      '127.0.0.2:5',
      'reg.corp:5000',
      'plain.corp',
      'plain.corp:99',
      '10.1.1.1:5',
    ];
    expect(yes.filter((host) => !insecure.has(host))).toEqual([]);
    expect(['reg.corp', 'quay.io', '11.0.0.1', 'x.plain.corp'].filter((host) => insecure.has(host))).toEqual(
      [],
    );
  });
});

describe('hosts.toml', () => {
  test('mirrors in order, then the server; keys of each', async () => {
    hostsToml(
      'docker.io',
      `
server = "https://registry-1.docker.io"
[host."https://zzz.corp"]
  capabilities = ["pull"]
  ca = ["one.crt", "two.crt"]
  client = [["c.cert", "c.key"]]
  dial_timeout = "1m1.5s"
[host."http://aaa.corp:5000/proxy/hub/"]
  capabilities = ["pull", "resolve"]
  skip_verify = true
  override_path = true
  proxy = "http://inner:1"
[host."http://aaa.corp:5000/proxy/hub/".header]
  X-Tenant = ["ci", "blue"]
[host."https://path.corp/v2/hub/v2"]
[host."plain.corp"]
`,
    );
    for (const name of ['one.crt', 'two.crt', 'c.cert', 'c.key'])
      file(`certs.d/docker.io/${name}`, `PEM ${name}`);
    const found = await endpoints('redis');
    expect(found).toMatchObject([
      {
        base: 'https://zzz.corp/v2',
        host: 'zzz.corp',
        query: 'ns=docker.io',
        capabilities: { pull: true, resolve: false },
        tls: { ca: ['PEM one.crt', 'PEM two.crt'], cert: 'PEM c.cert', key: 'PEM c.key' },
        connectTimeoutMs: 61_500,
      },
      {
        base: 'http://aaa.corp:5000/proxy/hub',
        host: 'aaa.corp:5000',
        headers: { 'x-tenant': 'ci, blue' },
        tls: { skipVerify: true },
        proxy: 'http://inner:1',
        capabilities: { pull: true, resolve: true },
      },
      { base: 'https://path.corp/v2/hub/v2' },
      { base: 'https://plain.corp/v2' },
      { base: 'https://registry-1.docker.io/v2', host: 'docker.io' },
    ]);
    expect(found[4]!.query).toBeUndefined();
    const digest = parseReference(`x@sha256:${'a'.repeat(64)}`).digest!;
    expect(blobURL(found[0]!, 'library/redis', digest).href).toBe(
      `https://zzz.corp/v2/library/redis/blobs/${digest}?ns=docker.io`,
    );
  });

  test('without a server the registry itself is last', async () => {
    hostsToml('_default', '[host."https://cache.corp"]');
    expect(await bases('redis')).toEqual(['https://cache.corp/v2', 'https://registry-1.docker.io/v2']);
    expect(await bases('quay.io/a/b')).toEqual(['https://cache.corp/v2', 'https://quay.io/v2']);
    expect((await endpoints('quay.io:8443/a/b'))[0]!.query).toBe('ns=quay.io%3A8443');
  });

  test('a server elsewhere takes the place of the registry, with its root keys', async () => {
    hostsToml(
      'quay.io',
      'server = "https://only.corp"\ncapabilities = ["pull", "resolve"]\nskip_verify = true',
    );
    expect(await endpoints('quay.io/a/b')).toMatchObject([
      { base: 'https://only.corp/v2', host: 'only.corp', query: 'ns=quay.io', tls: { skipVerify: true } },
    ]);
  });

  test.each(['reg.corp:5000', 'reg.corp_5000_'])('directory %s', async (name) => {
    hostsToml(name, 'server = "https://found.corp"');
    expect(await bases('reg.corp:5000/a')).toEqual(['https://found.corp/v2']);
  });

  test.each([
    ['server = ', 'not valid TOML'],
    ['server = 5', 'at server'],
    ['[host."ftp://x"]', 'expected https://host[:port][/path], found "ftp://x"'],
    ['[host."https://user:secret@x"]', 'found "x"'],
    ['dial_timeout = "soon"', 'dial_timeout: expected a duration'],
    ['ca = "missing.crt"', 'certificate missing.crt cannot be read (ENOENT)'],
  ])('mistake %j', async (content, why) => {
    hostsToml('quay.io', content);
    const error = await endpoints('quay.io/a').catch((e: Error) => e);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect((error as Error).message).toContain(why);
    expect((error as Error).message).toContain('quay.io/hosts.toml');
    expect((error as Error).message).not.toContain('secret');
  });

  test('durations', () => {
    expect(['1h', '1m30s', '500ms', '0.5s', 7, 'x', '5', ''].map(durationMs)).toEqual([
      3_600_000,
      90_000,
      500,
      500,
      7000,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("docker's certificate directories", () => {
  test('authorities and a client pair', async () => {
    file('certs.d/reg.corp:5000/ca.crt', 'CA');
    file('certs.d/reg.corp:5000/client.cert', 'CERT');
    file('certs.d/reg.corp:5000/client.key', 'KEY');
    expect((await endpoints('reg.corp:5000/a'))[0]!.tls).toEqual({ ca: ['CA'], cert: 'CERT', key: 'KEY' });
  });

  test('a certificate without its key', async () => {
    file('certs.d/reg.corp/client.cert', 'CERT');
    await expect(endpoints('reg.corp/a')).rejects.toThrow(/found client.cert without its client.key/);
  });
});

describe('registries.conf', () => {
  const conf = (content: string) => file('registries.conf', content);

  test('the longest prefix, its location and its mirrors', async () => {
    conf(`
[[registry]]
prefix = "example.com"
location = "wide.corp"
[[registry]]
prefix = "example.com/foo"
location = "inner.corp/bar"
[[registry.mirror]]
location = "m0.corp/mirror-for-foo"
[[registry.mirror]]
location = "m1.corp"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "m2.corp"
pull-from-mirror = "tag-only"
`);
    expect(await endpoints('example.com/foo/image:1')).toMatchObject([
      {
        base: 'https://m0.corp/v2',
        repository: 'mirror-for-foo/image',
        capabilities: { pull: true, resolve: true },
      },
      { base: 'https://m1.corp/v2', repository: 'image', capabilities: { pull: true, resolve: false } },
      { base: 'https://m2.corp/v2', repository: 'image' },
      { base: 'https://inner.corp/v2', host: 'inner.corp', repository: 'bar/image' },
    ]);
    expect(await bases(`example.com/foo/image@sha256:${'0'.repeat(64)}`)).toEqual([
      'https://m0.corp/v2',
      'https://m1.corp/v2',
      'https://inner.corp/v2',
    ]);
    expect(await endpoints('example.com/foobar/x')).toMatchObject([
      { base: 'https://wide.corp/v2', repository: 'foobar/x' },
    ]);
    expect(await bases('example.community/x')).toEqual(['https://example.community/v2']);
  });

  test('docker hub, wildcard, digest-only for all', async () => {
    conf(`
[[registry]]
location = "docker.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.corp/hub"
[[registry]]
prefix = "*.wild.io/team"
location = "one.corp/t"
`);
    expect(await endpoints('redis')).toMatchObject([
      { base: 'https://m.corp/v2', repository: 'hub/library/redis', capabilities: { resolve: false } },
      { base: 'https://registry-1.docker.io/v2', host: 'docker.io', repository: 'library/redis' },
    ]);
    expect(await endpoints('a.wild.io/team/x')).toMatchObject([
      { base: 'https://one.corp/v2', repository: 't/x' },
    ]);
    expect(await bases('a.wild.io/teamster/x')).toEqual(['https://a.wild.io/v2']);
    expect(await bases('wild.io/team/x')).toEqual(['https://wild.io/v2']);
  });

  test('blocked, also where a hosts.toml stands', async () => {
    conf('[[registry]]\nprefix = "bad.io/x"\nblocked = true');
    hostsToml('bad.io', 'server = "https://elsewhere"');
    await expect(endpoints('bad.io/x/y')).rejects.toMatchObject({ code: 'ERR_DENIED' });
    expect(await bases('bad.io/z')).toEqual(['https://elsewhere/v2']);
  });

  test('a hosts.toml of the registry goes before, that of _default after', async () => {
    conf('[[registry]]\nlocation = "a.io"\n[[registry]]\nlocation = "b.io"');
    hostsToml('a.io', 'server = "https://toml.corp"');
    hostsToml('_default', 'server = "https://default.corp"');
    expect(await bases('a.io/x')).toEqual(['https://toml.corp/v2']);
    expect(await bases('b.io/x')).toEqual(['https://b.io/v2']);
    expect(await bases('c.io/x')).toEqual(['https://default.corp/v2']);
  });

  test('drop-ins replace tables of the same prefix', async () => {
    conf(
      '[[registry]]\nprefix = "a.io"\nlocation = "one"\n[[registry]]\nprefix = "b.io"\nlocation = "b.corp"',
    );
    file('registries.conf.d/10-x.conf', '[[registry]]\nprefix = "a.io"\nlocation = "two.corp"');
    file('registries.conf.d/20-x.conf', '[[registry]]\nprefix = "a.io"\nlocation = "three.corp"');
    file('registries.conf.d/30-x.txt', 'not read');
    expect(await bases('a.io/x')).toEqual(['https://three.corp/v2']);
    expect(await bases('b.io/x')).toEqual(['https://b.corp/v2']);
  });

  test('a mistake names the file', async () => {
    conf('[[registry]]\ninsecure = "yes"');
    await expect(endpoints('a.io/x')).rejects.toThrow(/registries\.conf: not a registries\.conf/);
  });
});
