import { describe, expect, it } from 'vitest';
import { absoluteBind, parseBind, parseMount, parseTmpfs } from '../../../src/runtime/flags/volume.js';

describe('-v', () => {
  it.each([
    ['/h:/c', { kind: 'bind', source: '/h', target: '/c', readOnly: false, propagation: 'rprivate' }],
    ['/h/:/c/', { kind: 'bind', source: '/h/', target: '/c' }],
    ['/h:/c:ro,rshared', { readOnly: true, propagation: 'rshared' }],
    ['data:/c:nocopy', { kind: 'volume', source: 'data', noCopy: true }],
    ['/c/../d', { kind: 'anonymous', target: '/d' }],
  ])('reads %s', (spec, bind) => expect(parseBind(spec)).toMatchObject(bind));

  it.each([
    [':/c', 'invalid spec: :/c: empty section between colons'],
    ['/h::ro', 'empty section between colons'],
    ['/h:/c:ro:x', "invalid volume specification: '/h:/c:ro:x'"],
    ['/h:c', "invalid mount path: 'c' mount path must be absolute"],
    ['/h:/', "invalid specification: destination can't be '/'"],
    ['/h:/c:rx', 'invalid mode: rx'],
    ['a/b:/c', '"a/b" includes invalid characters for a local volume name'],
    ['../x:/c', '"../x" includes invalid characters for a local volume name'],
  ])('refuses %s', (spec, message) => expect(() => parseBind(spec)).toThrow(message));

  it('takes relative paths from the working directory', () => {
    expect(absoluteBind('./a:/c:ro', '/work')).toBe('/work/a:/c:ro');
    expect(absoluteBind('..:/c', '/work/deep')).toBe('/work:/c');
    expect(absoluteBind('name:/c', '/work')).toBe('name:/c');
  });
});

describe('--mount', () => {
  it.each([
    [
      'type=bind,src=/h,dst=/c,ro,bind-propagation=rslave',
      {
        Type: 'bind',
        Source: '/h',
        Target: '/c',
        ReadOnly: true,
        BindOptions: { Propagation: 'rslave' },
      },
    ],
    ['source=data,target=/c', { Type: 'volume', Source: 'data', Target: '/c' }],
    ['target=/c,volume-nocopy', { Type: 'volume', Target: '/c', VolumeOptions: { NoCopy: true } }],
    [
      'type=tmpfs,destination=/c,tmpfs-size=1m,tmpfs-mode=1770',
      { Type: 'tmpfs', Target: '/c', TmpfsOptions: { SizeBytes: 1048576, Mode: 0o1770 } },
    ],
    ['type=bind,src=/h,dst=/c,readonly=false', { Type: 'bind', Source: '/h', Target: '/c', ReadOnly: false }],
  ])('reads %s', (spec, mount) => expect(parseMount(spec)).toEqual(mount));

  it.each([
    ['type=bind,src=/h', 'target is required'],
    ['type=zfs,dst=/c', 'mount type unknown: "zfs"'],
    ['type=bind,dst=/c', 'field Source must not be empty'],
    ['type=bind,src=rel,dst=/c', "invalid mount path: 'rel' mount path must be absolute"],
    ['type=tmpfs,src=/x,dst=/c', 'field Source must not be specified'],
    ['type=bind,src=/h,dst=/c,color=red', "unexpected key 'color' in 'color=red'"],
    ['type=bind,src,dst=/c', "invalid field 'src' must be a key=value pair"],
    ['type=bind,src=/h,dst=/c,tmpfs-size=1m', "cannot mix 'tmpfs-*' options with mount type 'bind'"],
    ['type=bind,src=/h,dst=/', "destination can't be '/'"],
    ['type=bind,src=/h,dst=/c,ro=maybe', 'invalid value for ro: maybe'],
  ])('refuses %s', (spec, message) => expect(() => parseMount(spec)).toThrow(message));
});

it('--tmpfs is a target and options', () => {
  expect(parseTmpfs('/c')).toEqual(['/c', '']);
  expect(parseTmpfs('/c/:size=1m,mode=700')).toEqual(['/c', 'size=1m,mode=700']);
  expect(() => parseTmpfs('c')).toThrow('mount path must be absolute');
});
