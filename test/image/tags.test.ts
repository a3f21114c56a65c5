import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, parseImageID } from '../../src/core/digest/digest.js';
import { repositoryOf, TagStore } from '../../src/image/tags.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const image = (name: string) => parseImageID(digestOf(name));

describe('repositoryOf', () => {
  it.each([
    ['redis:latest', 'redis'],
    ['localhost:5000/a/b:1', 'localhost:5000/a/b'],
    [`quay.io/a@${digestOf('x')}`, 'quay.io/a'],
    [`localhost:5000/a@${digestOf('x')}`, 'localhost:5000/a'],
  ])('%s is of %s', (reference, repository) => {
    expect(repositoryOf(reference)).toBe(repository);
  });

  it.each(['redis', 'localhost:5000/a', ':tag', ''])('refuses %j, which has no tag', (reference) => {
    expect(() => repositoryOf(reference)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_REFERENCE' }));
  });
});

describe('tags', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let file: string;
  let tags: TagStore;
  beforeEach(() => {
    root = temporaryDirectory();
    file = join(root.path, 'image', 'repositories.json');
    tags = new TagStore(file, join(root.path, 'locks', 'tags'));
  });
  afterEach(() => root.remove());

  it('writes what dockerd writes: one line, sorted, familiar names, mode 0600', async () => {
    const [a, b] = [image('a'), image('b')];
    await tags.update({
      set: [
        { reference: 'redis:latest', imageID: a },
        { reference: `redis@${digestOf('m')}`, imageID: a },
        { reference: 'redis:10', imageID: b },
        { reference: '7:1', imageID: b },
        { reference: 'alpine:3', imageID: b },
      ],
    });
    expect(readFileSync(file, 'utf8')).toBe(
      `{"Repositories":{"7":{"7:1":"${b}"},"alpine":{"alpine:3":"${b}"},` +
        `"redis":{"redis:10":"${b}","redis:latest":"${a}","redis@${digestOf('m')}":"${a}"}}}`,
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('reads what dockerd wrote, nulls included', async () => {
    expect(tags.all()).toEqual([]);
    await tags.update({ set: [{ reference: 'x:1', imageID: image('x') }] });
    writeFileSync(file, '{"Repositories":{"gone":null}}');
    expect(tags.all()).toEqual([]);
  });

  it('tells what was removed and what was pointed elsewhere', async () => {
    await tags.update({
      set: [
        { reference: 'a:1', imageID: image('old') },
        { reference: 'b:1', imageID: image('old') },
      ],
    });
    const update = await tags.update({
      remove: ['b:1', 'never:there'],
      set: [{ reference: 'a:1', imageID: image('new') }],
    });
    expect(update.removed.map((entry) => entry.reference)).toEqual(['b:1']);
    expect(update.replaced).toEqual([{ repository: 'a', reference: 'a:1', imageID: image('old') }]);
    expect(tags.get('a:1')).toBe(image('new'));
    expect(tags.get('b:1')).toBeUndefined();
    expect(tags.of(image('new')).map((entry) => entry.reference)).toEqual(['a:1']);
  });

  it('drops a repository with its last name', async () => {
    await tags.update({ set: [{ reference: 'a:1', imageID: image('a') }] });
    await tags.update({ remove: ['a:1'] });
    expect(readFileSync(file, 'utf8')).toBe('{"Repositories":{}}');
  });

  it('loses none of twenty updates at the same time', async () => {
    const references = Array.from({ length: 20 }, (_, n) => `r${n}:1`);
    const others = new TagStore(file, join(root.path, 'locks', 'tags'));
    await Promise.all(
      references.map((reference, n) =>
        (n % 2 ? tags : others).update({ set: [{ reference, imageID: image(reference) }] }),
      ),
    );
    expect(new Set(tags.all().map((entry) => entry.reference))).toEqual(new Set(references));
  });

  it('names a damaged file and does not write over it', async () => {
    await tags.update({ set: [{ reference: 'a:1', imageID: image('a') }] });
    writeFileSync(file, '{"Repositories":{"a":');
    const corrupt = expect.objectContaining({
      code: 'ERR_STORE_CORRUPT',
      message: expect.stringContaining(file),
    });
    expect(() => tags.all()).toThrow(corrupt);
    await expect(tags.update({ set: [{ reference: 'b:1', imageID: image('b') }] })).rejects.toEqual(corrupt);
    expect(readFileSync(file, 'utf8')).toBe('{"Repositories":{"a":');
  });
});
