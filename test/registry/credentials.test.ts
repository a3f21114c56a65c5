import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Credentials } from '../../src/registry/credentials.js';

let directory: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-login-'));
  env = {
    HOME: directory,
    XDG_RUNTIME_DIR: join(directory, 'run'),
    PATH: [join(directory, 'bin'), process.env.PATH].join(delimiter),
  };
});
afterEach(() => rmSync(directory, { recursive: true }));

function file(path: string, content: object | string): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), typeof content === 'string' ? content : JSON.stringify(content));
}
function helper(name: string, script: string): void {
  file(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, `bin/docker-credential-${name}`), 0o755);
}
const encoded = (login: string) => ({ auth: Buffer.from(login).toString('base64') });
const config = (content: object | string) => file('.docker/config.json', content);
const basic = (username: string, password: string) => ({ kind: 'basic', username, password });
const get = (host: string, repository = 'a/b', timeoutMs?: number) =>
  new Credentials({ env, ...(timeoutMs !== undefined && { timeoutMs }) }).get(host, repository);

describe('auths', () => {
  beforeEach(() =>
    config({
      auths: {
        'https://index.docker.io/v1/': encoded('hub:p:w\u00e9'),
        'quay.io': encoded('quay:pw'),
        'https://quay.io/v1/': encoded('old:pw'),
        'https://reg.corp:5000/v2/': { username: 'u', password: 'p' },
        'id.io': { ...encoded('x:y'), identitytoken: 'refresh' },
        'tok.io': { registrytoken: 'bearer' },
        'empty.io': {},
        'null.io': null,
      },
    }),
  );

  test.each([
    ['docker.io', basic('hub', 'p:w\u00e9')],
    ['quay.io', basic('quay', 'pw')],
    ['reg.corp:5000', basic('u', 'p')],
    ['id.io', { kind: 'identity', token: 'refresh' }],
    ['tok.io', { kind: 'registry', token: 'bearer' }],
    ['empty.io', { kind: 'anonymous' }],
    ['null.io', { kind: 'anonymous' }],
    ['reg.corp', { kind: 'anonymous' }],
    ['evil-quay.io', { kind: 'anonymous' }],
    ['__proto__', { kind: 'anonymous' }],
  ])('%s', async (host, expected) => {
    expect(await get(host)).toEqual(expected);
  });
});

describe('files', () => {
  test("podman's namespaces: the longest wins", async () => {
    file('run/containers/auth.json', {
      auths: {
        'quay.io': encoded('host:1'),
        'quay.io/team': encoded('team:1'),
        'quay.io/team/app': encoded('app:1'),
      },
    });
    expect(await get('quay.io', 'team/app')).toEqual(basic('app', '1'));
    expect(await get('quay.io', 'team/other/x')).toEqual(basic('team', '1'));
    expect(await get('quay.io', 'teamster/x')).toEqual(basic('host', '1'));
  });

  test('order: REGISTRY_AUTH_FILE, DOCKER_CONFIG, podman', async () => {
    file('run/containers/auth.json', { auths: { 'a.io': encoded('podman:1'), 'c.io': encoded('podman:3') } });
    file('elsewhere/config.json', { auths: { 'a.io': encoded('docker:1'), 'b.io': encoded('docker:2') } });
    env.DOCKER_CONFIG = join(directory, 'elsewhere');
    expect(await get('a.io')).toEqual(basic('docker', '1'));
    file('explicit.json', { auths: { 'a.io': encoded('explicit:1') } });
    env.REGISTRY_AUTH_FILE = join(directory, 'explicit.json');
    expect(await get('a.io')).toEqual(basic('explicit', '1'));
    expect(await get('b.io')).toEqual(basic('docker', '2'));
    expect(await get('c.io')).toEqual(basic('podman', '3'));
    expect(await get('d.io')).toEqual({ kind: 'anonymous' });
  });

  test('a broken file is a problem to tell, without its content', async () => {
    config('{"auths": {"quay.io": {"auth": "c2VjcmV0"}');
    const found = await get('quay.io');
    expect(found).toEqual({
      kind: 'anonymous',
      problem: `${directory}/.docker/config.json cannot be read (not a valid login file)`,
    });
  });
});

describe('helpers', () => {
  test('a host’s helper beats the store beats auths', async () => {
    helper('one', 'read server; echo "{\\"Username\\":\\"one\\",\\"Secret\\":\\"$server\\"}"');
    helper('two', 'read server; echo "{\\"Username\\":\\"two\\",\\"Secret\\":\\"$server\\"}"');
    config({
      auths: { 'a.io': encoded('file:x'), 'b.io': encoded('file:x') },
      credHelpers: { 'a.io': 'one' },
      credsStore: 'two',
    });
    expect(await get('a.io')).toEqual(basic('one', 'a.io'));
    expect(await get('b.io')).toEqual(basic('two', 'b.io'));
    expect(await get('docker.io')).toEqual(basic('two', 'https://index.docker.io/v1/'));
  });

  test('an identity token; none found; auths behind an empty store', async () => {
    helper('token', 'echo \'{"Username":"<token>","Secret":"refresh"}\'');
    helper('none', 'echo "credentials not found in native keychain"; exit 1');
    config({ auths: { 'b.io': encoded('file:x') }, credHelpers: { 'a.io': 'token' }, credsStore: 'none' });
    expect(await get('a.io')).toEqual({ kind: 'identity', token: 'refresh' });
    expect(await get('b.io')).toEqual(basic('file', 'x'));
    expect(await get('c.io')).toEqual({ kind: 'anonymous' });
  });

  test.each([
    ['missing', undefined, 'docker-credential-missing is not installed'],
    ['fails', 'echo \'{"Secret":"s3cret"}\'; exit 3', 'docker-credential-fails exited with 3'],
    ['talks', 'echo s3cret', 'docker-credential-talks answered with no credentials'],
    ['floods', 'exec head -c 200000 /dev/zero', 'docker-credential-floods answered with'],
    ['hangs', 'exec sleep 30', 'docker-credential-hangs did not answer in 0.2 s'],
    ['../../bin/sh', undefined, 'is not a valid helper name'],
    ['a;touch x', undefined, 'is not a valid helper name'],
  ])('%s', async (name, script, problem) => {
    if (script !== undefined) helper(name, script);
    config({ credsStore: name });
    const found = await get('a.io', 'a/b', 200);
    expect(found).toMatchObject({ kind: 'anonymous', problem: expect.stringContaining(problem) });
    expect(JSON.stringify(found)).not.toContain('s3cret');
  });

  test('one call a host, one after another, none for hosts not asked for', async () => {
    helper(
      'slow',
      `read server
mkdir "${'$'}HOME/busy" || echo overlap >> "$HOME/calls"
echo "$server" >> "$HOME/calls"; sleep 0.05; rmdir "$HOME/busy"
echo '{"Username":"u","Secret":"p"}'`,
    );
    config({ credsStore: 'slow', auths: { 'other.io': {} } });
    const credentials = new Credentials({ env });
    expect(existsSync(join(directory, 'calls'))).toBe(false);
    const hosts = ['a.io', 'b.io', 'a.io', 'c.io', 'a.io'];
    await Promise.all(hosts.map((host) => credentials.get(host, 'x/y')));
    expect(readFileSync(join(directory, 'calls'), 'utf8')).toBe('a.io\nb.io\nc.io\n');
  });
});
