import { describe, expect, test } from 'vitest';
import { isGantryError } from '../../src/core/errors.js';
import {
  canonicalString,
  familiarName,
  familiarString,
  name,
  parseReference,
  pullReference,
  withDefaultTag,
} from '../../src/registry/reference.js';

const HEX = 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff';
const DIGEST = `sha256:${HEX}`;

describe('normalisation', () => {
  test.each([
    ['redis', 'docker.io/library/redis', 'redis'],
    ['redis:7', 'docker.io/library/redis:7', 'redis:7'],
    ['redis:7.2-alpine_X', 'docker.io/library/redis:7.2-alpine_X', 'redis:7.2-alpine_X'],
    ['library/redis', 'docker.io/library/redis', 'redis'],
    ['docker.io/redis', 'docker.io/library/redis', 'redis'],
    ['index.docker.io/redis', 'docker.io/library/redis', 'redis'],
    ['index.docker.io/library/redis', 'docker.io/library/redis', 'redis'],
    ['user/app', 'docker.io/user/app', 'user/app'],
    ['docker.io/user/app:1', 'docker.io/user/app:1', 'user/app:1'],
    ['library/distro/debian', 'docker.io/library/distro/debian', 'library/distro/debian'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['localhost:5000/app:1', 'localhost:5000/app:1', 'localhost:5000/app:1'],
    ['127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b'],
    ['[::1]:5000/a', '[::1]:5000/a', '[::1]:5000/a'],
    ['[2001:db8::1]/a', '[2001:db8::1]/a', '[2001:db8::1]/a'],
    ['registry:5000/a', 'registry:5000/a', 'registry:5000/a'],
    ['Registry/a', 'Registry/a', 'Registry/a'],
    ['quay.io/a/b__c/d-e--f/g.h', 'quay.io/a/b__c/d-e--f/g.h', 'quay.io/a/b__c/d-e--f/g.h'],
    ['xn--n3h.com/myimage:xn--n3h', 'xn--n3h.com/myimage:xn--n3h', 'xn--n3h.com/myimage:xn--n3h'],
    [`redis@${DIGEST}`, `docker.io/library/redis@${DIGEST}`, `redis@${DIGEST}`],
    [`redis:7@${DIGEST}`, `docker.io/library/redis:7@${DIGEST}`, `redis:7@${DIGEST}`],
    [`${HEX.slice(1)}`, `docker.io/library/${HEX.slice(1)}`, HEX.slice(1)],
    [`user/${HEX}`, `docker.io/user/${HEX}`, `user/${HEX}`],
    ['a.b', 'docker.io/library/a.b', 'a.b'],
    [`q.io/${'a'.repeat(255)}`, `q.io/${'a'.repeat(255)}`, `q.io/${'a'.repeat(255)}`],
  ])('%s', (text, canonical, familiar) => {
    const reference = parseReference(text);
    expect(canonicalString(reference)).toBe(canonical);
    expect(familiarString(reference)).toBe(familiar);
    expect(parseReference(canonical)).toEqual(reference);
    expect(parseReference(familiar)).toEqual(reference);
  });

  test('parts', () => {
    expect(parseReference('quay.io:443/a/b:1')).toEqual({ domain: 'quay.io:443', path: 'a/b', tag: '1' });
    expect(name(parseReference('redis:7'))).toBe('docker.io/library/redis');
    expect(familiarName(parseReference('redis:7'))).toBe('redis');
  });
});

describe('refused', () => {
  test.each([
    ['', 'expected'],
    [HEX, '64 hexadecimal digits'],
    ['Redis', 'repository name (library/Redis) must be lowercase'],
    ['user/App:1', 'repository name (user/App) must be lowercase'],
    ['q.io/User/app', 'must be lowercase'],
    ['Uppercase:tag', 'must be lowercase'],
    ['aa/asdf$$^/aa', 'expected'],
    ['-foo/bar', 'expected'],
    ['foo/bar-', 'expected'],
    ['foo//bar', 'expected'],
    ['foo/', 'expected'],
    ['/foo', 'expected'],
    ['foo/.bar', 'expected'],
    ['foo/a___b', 'expected'],
    ['foo/../bar', 'expected'],
    ['redis:', 'expected'],
    ['redis:-a', 'expected'],
    [`redis:${'a'.repeat(129)}`, 'expected'],
    ['redis:a b', 'expected'],
    ['redis\n', 'expected'],
    ['redis@sha256:abc', 'expected'],
    ['-a.com/b', 'expected'],
    ['a.com:port/b', 'expected'],
    ['[::1/b', 'expected'],
    ['https://quay.io/a', 'expected'],
    [`q.io/${'a'.repeat(256)}`, '255'],
  ])('%j', (text, why) => {
    try {
      parseReference(text);
      expect.unreachable();
    } catch (error) {
      expect(isGantryError(error, 'ERR_INVALID_REFERENCE')).toBe(true);
      expect((error as Error).message).toContain(why);
    }
  });

  test.each([`redis@sha256:${HEX.toUpperCase()}`, `redis@md5:${HEX.slice(0, 32)}`, `redis@sha512:${HEX}`])(
    'digest %s',
    (text) => {
      expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_DIGEST' }));
    },
  );
});

test('latest is added only where nothing else is said', () => {
  expect(withDefaultTag(parseReference('redis')).tag).toBe('latest');
  expect(withDefaultTag(parseReference('redis:7')).tag).toBe('7');
  expect(withDefaultTag(parseReference(`redis@${DIGEST}`)).tag).toBeUndefined();
});

test('a pull by tag and digest is a pull by digest', () => {
  expect(pullReference(parseReference(`redis:7@${DIGEST}`))).toEqual({
    domain: 'docker.io',
    path: 'library/redis',
    digest: DIGEST,
  });
});
