import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Credentials } from '../../src/registry/credentials.js';
import { checkLogin, registryHost, removeLogin, storeLogin } from '../../src/registry/login.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { scriptedRegistry } from './scripted-registry.js';

const LOGIN = { username: 'me', password: 's3:cret' };

describe('a login', () => {
  let dir: ReturnType<typeof temporaryDirectory>;
  let env: NodeJS.ProcessEnv;
  const file = () => join(dir.path, 'config.json');
  beforeEach(() => {
    dir = temporaryDirectory();
    env = { DOCKER_CONFIG: dir.path, HOME: dir.path, PATH: `${dir.path}:${process.env.PATH}` };
  });
  afterEach(() => dir.remove());

  it.each([
    [undefined, 'docker.io'],
    ['https://index.docker.io/v1/', 'docker.io'],
    ['https://Quay.io/v2/', 'quay.io'],
    ['localhost:5000', 'localhost:5000'],
  ])('%s is to %s', (server, host) => {
    expect(registryHost(server)).toBe(host);
  });

  it('is found by a pull afterwards, and what else is in the file stays', async () => {
    writeFileSync(file(), '{"auths":{"other":{"auth":"eDp5"}},"psFormat":"{{.ID}}"}', { mode: 0o644 });
    expect(await storeLogin('quay.io', LOGIN, env)).toEqual({ file: file() });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toMatchObject({
      auths: { other: { auth: 'eDp5' } },
      psFormat: '{{.ID}}',
    });
    expect(await new Credentials({ env }).get('quay.io', 'a/b')).toEqual({ kind: 'basic', ...LOGIN });
    expect(await removeLogin('quay.io', env)).toBe(true);
    expect(await removeLogin('quay.io', env)).toBe(false);
    expect(JSON.parse(readFileSync(file(), 'utf8')).auths).toEqual({ other: { auth: 'eDp5' } });
  });

  it('leaves a link a link, and the file to whose it is', async () => {
    const real = join(dir.path, 'elsewhere.json');
    writeFileSync(real, '{}');
    if (process.getuid?.() === 0) chownSync(real, 1234, 4321);
    const { uid, gid } = statSync(real);
    symlinkSync('elsewhere.json', file());
    await storeLogin('quay.io', LOGIN, env);
    expect(lstatSync(file()).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(real, 'utf8')).auths).toHaveProperty(['quay.io']);
    expect(statSync(real)).toMatchObject({ uid, gid, mode: 0o100600 });
  });

  it('to Docker Hub has the key that docker gives it', async () => {
    await storeLogin('docker.io', LOGIN, env);
    expect(Object.keys(JSON.parse(readFileSync(file(), 'utf8')).auths)).toEqual([
      'https://index.docker.io/v1/',
    ]);
    expect(await new Credentials({ env }).get('docker.io', 'library/redis')).toMatchObject({ kind: 'basic' });
  });

  it('goes to the helper where one is configured, and not into the file', async () => {
    mkdirSync(join(dir.path, 'kept'));
    const helper = join(dir.path, 'docker-credential-test');
    writeFileSync(
      helper,
      `#!/bin/sh\ncase $1 in store) cat >${dir.path}/kept/it;; erase) cat >/dev/null; rm ${dir.path}/kept/it;; *) exit 1;; esac\n`,
    );
    chmodSync(helper, 0o755);
    writeFileSync(file(), '{"credsStore":"test"}');
    expect(await storeLogin('quay.io', LOGIN, env)).toEqual({ file: file(), helper: 'test' });
    expect(JSON.parse(readFileSync(join(dir.path, 'kept/it'), 'utf8'))).toEqual({
      ServerURL: 'quay.io',
      Username: 'me',
      Secret: 's3:cret',
    });
    expect(readFileSync(file(), 'utf8')).not.toContain(Buffer.from('me:s3:cret').toString('base64'));
    expect(await removeLogin('quay.io', env)).toBe(true);
    await expect(removeLogin('quay.io', env)).rejects.toThrow('docker-credential-test erase: exited with 1');
  });

  it('does not overwrite a file that it cannot read, and does not quote it', async () => {
    writeFileSync(file(), 'secret{');
    const refused = storeLogin('quay.io', LOGIN, env);
    await expect(refused).rejects.toThrow(`${file()}: expected docker's config.json`);
    await expect(refused).rejects.not.toThrow(/secret/);
    expect(readFileSync(file(), 'utf8')).toBe('secret{');
  });

  it('is checked by the registry', async () => {
    await using registry = await scriptedRegistry();
    registry.on('GET /v2/', (request, response) => {
      const right = `Basic ${Buffer.from('me:s3:cret').toString('base64')}`;
      if (request.headers.authorization === right) response.end('{}');
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="here"' }).end();
    });
    const options = { userAgent: 'test', env };
    await checkLogin(registry.host, LOGIN, options);
    await expect(checkLogin(registry.host, { ...LOGIN, password: 'no' }, options)).rejects.toMatchObject({
      code: 'ERR_UNAUTHORIZED',
    });
  });

  it('is checked by the token server, which is asked for no repository', async () => {
    await using registry = await scriptedRegistry();
    registry.on('GET /v2/', (request, response) => {
      const challenge = `Bearer realm="http://${registry.host}/token",service="reg"`;
      if (request.headers.authorization === 'Bearer t') response.end('{}');
      else response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    registry.on('GET /token', (_, response) => response.end('{"token":"t"}'));
    await checkLogin(registry.host, LOGIN, { userAgent: 'test', env });
    expect(registry.asked.map(({ url }) => url)).toContain('/token?service=reg&account=me');
  });
});
