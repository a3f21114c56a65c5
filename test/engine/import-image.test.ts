/** Images of plain tars: from a file, a pipe and a URL, compressed or not. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageID } from '../../src/core/digest/digest.js';
import { openStore } from '../../src/engine/store.js';
import { runCli } from '../helpers/cli-run.js';
import { GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';

const work = temporaryDirectory();
const root = join(work.path, 'root');
const tar = join(work.path, 'rootfs.tar');
let diffID: string;

const configOf = (id: string) => openStore(root).images.get(id.trim() as ImageID)!.config;

beforeAll(() => {
  mkdirSync(join(work.path, 'rootfs/etc'), { recursive: true });
  writeFileSync(join(work.path, 'rootfs/etc/hostname'), 'imported\n');
  symlinkSync('hostname', join(work.path, 'rootfs/etc/link'));
  execFileSync('tar', ['-cf', tar, '-C', join(work.path, 'rootfs'), '.']);
  execFileSync('gzip', ['-k', tar]);
  diffID = `sha256:${createHash('sha256').update(readFileSync(tar)).digest('hex')}`;
});
afterAll(() => work.remove());

describe('import', () => {
  it('a file, with changes and a name', async () => {
    const { code, out } = await runCli(root, 'import', '-c', 'CMD ["sh"]', '-c', 'ENV A=b', tar, 'rootfs');
    expect(code).toBe(0);
    expect(configOf(out)).toMatchObject({
      os: 'linux',
      config: { Cmd: ['sh'], Env: ['A=b'] },
      rootfs: { diff_ids: [diffID] },
      history: [{ comment: `Imported from ${tar}` }],
    });
    expect(openStore(root).tags.get('rootfs:latest')).toBe(out.trim());
    expect([...inconsistencies(root), ...leftovers(root), ...(await damagedLayers(root))]).toEqual([]);
  });

  it('the same tar compressed, from a pipe and from a URL', async () => {
    const input = readFileSync(`${tar}.gz`);
    const piped = execFileSync(process.execPath, [GANTRY, '--root', root, 'import', '-m', 'why', '-'], {
      input,
    });
    expect(configOf(piped.toString())).toMatchObject({
      rootfs: { diff_ids: [diffID] },
      history: [{ comment: 'why' }],
    });
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.headers.authorization);
      response.statusCode = request.url?.startsWith('/rootfs') ? 200 : 404;
      response.end(input);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { out } = await runCli(root, 'import', `${url}/rootfs`, 'of/url:1');
    expect(configOf(out).rootfs.diff_ids).toEqual([diffID]);
    const secret = `${url.replace('//', '//me:s3cret@')}/rootfs?signature=s3cret`;
    const imported = await runCli(root, 'import', secret);
    expect(asked.at(-1)).toBe(`Basic ${Buffer.from('me:s3cret').toString('base64')}`);
    expect(configOf(imported.out).history).toEqual([
      expect.objectContaining({ comment: `Imported from ${url}/rootfs` }),
    ]);
    const refused = await runCli(root, '--debug', 'import', secret.replace('/rootfs', '/gone'));
    expect(refused.err).toContain(`${url}/gone: expected status 200`);
    expect(refused.err).not.toContain('s3cret');
    expect(await runCli(root, 'import', `${url}/gone`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('expected status 200, found 404'),
    });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(openStore(root).layers.list()).toHaveLength(1);
    expect(leftovers(root)).toEqual([]);
  });

  it.each([
    ['no file', ['nowhere.tar'], /no such file/],
    ['a directory', [join(work.path, 'rootfs')], /found a directory/],
    ['no tar', [GANTRY], /layer tar/],
    ['no name', [tar, 'UPPER'], /not a valid repository/],
    ['no change', ['-c', 'RUN make', tar], /run is not a valid change command/],
  ])('refuses %s', async (_, args, message) => {
    const before = openStore(root).images.list();
    expect(await runCli(root, 'import', ...args)).toMatchObject({
      code: 1,
      err: expect.stringMatching(message),
    });
    expect(openStore(root).images.list()).toEqual(before);
    expect(leftovers(root)).toEqual([]);
  });
});
