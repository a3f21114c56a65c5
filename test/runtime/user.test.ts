import { describe, expect, it } from 'vitest';
import { resolveUser } from '../../src/runtime/user.js';

const files = {
  passwd:
    '# comment\nroot:x:0:0:root:/root:/bin/sh\nredis:x:999:998::/data:/bin/sh\nbroken\n42:x:7:7::/odd:\n',
  group: 'root:x:0:\nredis:x:998:\naudio:x:29:other,redis\nvideo:x:44:redis\n',
};

describe('users of an image', () => {
  it.each([
    ['', { uid: 0, gid: 0, additionalGids: [0], home: '/root' }],
    ['redis', { uid: 999, gid: 998, additionalGids: [998, 29, 44], home: '/data' }],
    ['999', { uid: 999, gid: 998, additionalGids: [998, 29, 44], home: '/data' }],
    ['redis:video', { uid: 999, gid: 44, additionalGids: [44], home: '/data' }],
    ['1234', { uid: 1234, gid: 0, additionalGids: [0], home: '/' }],
    ['1234:5678', { uid: 1234, gid: 5678, additionalGids: [5678], home: '/' }],
    ['42', { uid: 7, gid: 7, additionalGids: [7], home: '/odd' }],
  ])('%j', (spec, user) => expect(resolveUser(spec, files)).toEqual(user));

  it('adds groups by name or number', () => {
    expect(resolveUser('redis:redis', files, ['audio', '500']).additionalGids).toEqual([998, 29, 500]);
  });

  it('works without the files', () => {
    expect(resolveUser('', { passwd: '', group: '' })).toMatchObject({ uid: 0, gid: 0, home: '/' });
  });

  it.each([
    ['nobody', 'unable to find user nobody: no matching entries in passwd file'],
    ['redis:none', 'unable to find group none: no matching entries in group file'],
    ['4294967296', 'uids and gids must be in range 0-2147483647'],
  ])('refuses %s', (spec, message) => expect(() => resolveUser(spec, files)).toThrow(message));
});
