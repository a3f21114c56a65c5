import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ImageID, shortID } from '../../src/core/digest/digest.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { runCli } from '../helpers/cli-run.js';
import { putImage } from '../helpers/image-fixture.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

// Publishing a layer sets trusted.* attributes and owners.
describe.skipIf(process.getuid?.() !== 0)('image commands (need root: layers are published)', () => {
  const dir = temporaryDirectory();
  let store: Store;
  let redis: ImageID;
  let base: ImageID;
  const gantry = (...args: string[]) => runCli(dir.path, ...args);

  beforeAll(async () => {
    store = openStore(dir.path);
    base = await putImage(store, {
      layers: [{ 'bin/sh': 'shell' }],
      names: ['quay.io/acme/base:1'],
      created: '2024-04-01T00:00:00Z',
      config: { Labels: { tier: 'base' } },
    });
    redis = await putImage(store, {
      layers: [{ 'bin/sh': 'shell' }, { 'etc/redis.conf': 'x'.repeat(2000) }],
      names: ['redis:7', 'redis:latest', `redis@${DIGEST}`],
      config: { Env: ['A=1'], Cmd: ['redis-server'], Labels: { app: 'cache' }, Volumes: { '/data': {} } },
    });
  });
  afterAll(() => dir.remove());

  it('images lists a line for each name, newest image first', async () => {
    const { out, code } = await gantry(
      'images',
      '--format',
      'table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.Size}}',
    );
    expect(code).toBe(0);
    expect(out).toBe(
      [
        'REPOSITORY          TAG       IMAGE ID       SIZE',
        `redis               7         ${shortID(redis)}   2kB`,
        `redis               latest    ${shortID(redis)}   2kB`,
        `quay.io/acme/base   1         ${shortID(base)}   5B`,
        '',
      ].join('\n'),
    );
  });

  it.each([
    [['--filter', 'label=app=cache'], 'redis:7 redis:latest'],
    [['--filter', 'label=tier'], 'quay.io/acme/base:1'],
    [['--filter', 'before=redis'], 'quay.io/acme/base:1'],
    [['--filter', 'since=quay.io/acme/base:1'], 'redis:7 redis:latest'],
    [['--filter', 'reference=*/*/base'], 'quay.io/acme/base:1'],
    [['--filter', 'dangling=true'], ''],
    [['redis'], 'redis:7 redis:latest'],
    [['redis:7'], 'redis:7'],
    [['docker.io/library/redis:7'], 'redis:7'],
    [['nosuch'], ''],
  ])('images %j', async (args, expected) => {
    const { out } = await gantry('images', '--format', '{{.Repository}}:{{.Tag}}', ...args);
    expect(out.split('\n').filter(Boolean).join(' ')).toBe(expected);
  });

  it('images --digests shows the digest beside each tag of its repository', async () => {
    const { out } = await gantry('images', '--digests', 'redis:latest');
    expect(out).toContain('DIGEST');
    const all = await gantry('images', '--digests', '--format', '{{.Tag}} {{.Digest}}');
    expect(all.out).toBe(`7 ${DIGEST}\nlatest ${DIGEST}\n1 <none>\n`);
  });

  it('image ls -q --no-trunc gives whole ids', async () => {
    expect((await gantry('image', 'ls', '-q', '--no-trunc', 'quay.io/acme/base')).out).toBe(`${base}\n`);
  });

  it('inspect is docker’s document', async () => {
    const { out } = await gantry('inspect', 'redis', shortID(base));
    const [first, second] = JSON.parse(out);
    expect(first).toMatchObject({
      Id: redis,
      RepoTags: ['redis:7', 'redis:latest'],
      RepoDigests: [`redis@${DIGEST}`],
      Created: '2024-05-01T10:00:00.123456789Z',
      Author: 'somebody',
      Config: { User: '', Env: ['A=1'], Cmd: ['redis-server'], Entrypoint: null, Volumes: { '/data': {} } },
      Architecture: 'amd64',
      Os: 'linux',
      Size: 2005,
      GraphDriver: { Name: 'overlay2' },
      RootFS: { Type: 'layers' },
      Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
    });
    expect(first.GraphDriver.Data.UpperDir).toMatch(/overlay2\/[0-9a-f]{64}\/diff$/);
    expect(first.GraphDriver.Data.LowerDir).toMatch(/overlay2\/[0-9a-f]{64}\/diff$/);
    expect(first.RootFS.Layers).toHaveLength(2);
    expect(second.Id).toBe(base);
  });

  it('image inspect -f takes Go templates and tells what is missing', async () => {
    const { out, err, code } = await gantry(
      'image',
      'inspect',
      '-f',
      '{{.Os}} {{json .Config.Labels}}',
      'nosuch',
      'redis',
    );
    expect(out).toBe('linux {"app":"cache"}\n');
    expect(err).toBe('gantry: Error: No such image: nosuch\n');
    expect(code).toBe(1);
  });

  it('inspect of a field that is not there fails in docker’s words', async () => {
    const { err, code } = await gantry('inspect', '-f', '{{.Foo}}', 'redis');
    expect(err).toContain('template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"');
    expect(code).toBe(1);
  });

  it('history walks layers in step with the steps that made them', async () => {
    const { out } = await gantry(
      'history',
      '--human=false',
      '--format',
      '{{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}',
      'redis',
    );
    expect(out.split('\n')).toEqual([
      `${shortID(redis)}|CMD ["redis-server"]|0|`,
      '<missing>|COPY layer 1 /|2000|made for a test',
      '<missing>|COPY layer 0 /|5|made for a test',
      '',
    ]);
  });

  it('system df counts shared layers once', async () => {
    const { out } = await gantry(
      'system',
      'df',
      '--format',
      '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}',
    );
    expect(out).toBe('Images 2 0 2.005kB 2.005kB (100%)\nContainers 0 0 0B 0B\n');
    const verbose = await gantry('system', 'df', '-v');
    expect(verbose.out).toMatch(/redis +7 +\S+ +.* ago +2kB +5B +2kB +0\n/);
  });

  it.each([
    ['history', 'nosuch', 'gantry: No such image: nosuch:latest\n', 1],
    ['rmi', 'nosuch', 'gantry: No such image: nosuch:latest\n', 1],
    ['inspect', 'nosuch', 'gantry: Error: No such object: nosuch\n', 1],
  ])('%s %s', async (name, argument, expected, status) => {
    const { err, code } = await gantry(name, argument);
    expect(err).toBe(expected);
    expect(code).toBe(status);
  });

  it('tag refuses what is no name', async () => {
    const { err, code } = await gantry('tag', 'redis', 'A:b');
    expect(err).toContain('Error parsing reference: "A:b" is not a valid repository/tag');
    expect(code).toBe(1);
  });
});
