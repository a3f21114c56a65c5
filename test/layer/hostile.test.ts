/** Hostile layers, really unpacked: they are refused or kept inside, and what stands outside never changes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rawHeader } from '../../bench/images/tar-header.js';
import type { ErrorCode } from '../../src/core/errors.js';
import { deep, dir, entry, file, gone, hardlink, symlink, tarOf, xattr } from '../helpers/layer-entries.js';
import { type LayerSandbox, layerSandbox } from '../helpers/write-layer.js';

describe.skipIf(process.getuid?.() !== 0)('hostile layers (needs root)', () => {
  let box: LayerSandbox;
  beforeEach(() => {
    box = layerSandbox();
  });
  afterEach(() => {
    const changed = box.changedOutside();
    box.remove();
    expect(changed, 'changed outside the layer').toEqual([]);
  });

  describe('refused', () => {
    const refused: [
      what: string,
      entries: (outside: string) => Uint8Array[],
      code: ErrorCode,
      message: RegExp,
    ][] = [
      ['.. that leaves the root', () => [file('../outside/new')], 'ERR_LAYER_HOSTILE', /leaves the root/],
      ['.. further inside', () => [file('a/../../outside/new')], 'ERR_LAYER_HOSTILE', /leaves the root/],
      ['.. as a name', () => [dir('..')], 'ERR_LAYER_HOSTILE', /leaves the root/],
      [
        'a root that is a symlink (CVE-2021-29136)',
        (outside) => [symlink('./', outside), file('secret', 'x')],
        'ERR_LAYER_HOSTILE',
        /the root is a symlink/,
      ],
      ['a root that is a file', () => [file('/', '')], 'ERR_LAYER_HOSTILE', /the root is a file/],
      ['a NUL in a name', () => [file('x', '', { pax: { path: 'a\0b' } })], 'ERR_LAYER_HOSTILE', /NUL byte/],
      [
        'a NUL in a link',
        () => [entry('2', 'x', { pax: { linkpath: 'a\0b' } })],
        'ERR_LAYER_HOSTILE',
        /bad symlink target/,
      ],
      [
        'a NUL in an xattr’s name',
        () => [file('x', '', xattr('user.a\0b', 'v'))],
        'ERR_LAYER_HOSTILE',
        /NUL byte/,
      ],
      ['a symlink to nothing', () => [symlink('x', '')], 'ERR_LAYER_HOSTILE', /bad symlink target/],
      ['a device that is a whiteout', () => [entry('3', 'x')], 'ERR_LAYER_HOSTILE', /device 0:0/],
      ['a whiteout of no name', () => [gone('a/.wh.')], 'ERR_LAYER_HOSTILE', /whiteout of no name/],
      ['a whiteout of .', () => [gone('a/.wh..')], 'ERR_LAYER_HOSTILE', /whiteout of no name/],
      ['a whiteout of ..', () => [gone('a/.wh...')], 'ERR_LAYER_HOSTILE', /whiteout of no name/],
      ['a whiteout with contents', () => [file('.wh.a', 'x')], 'ERR_LAYER_HOSTILE', /whiteout with 1 bytes/],
      [
        'a component of 256 bytes',
        () => [file('n'.repeat(256))],
        'ERR_LAYER_HOSTILE',
        /component of 256 bytes/,
      ],
      [
        'a path of 4096 bytes',
        () => [file(`${'n'.repeat(200)}/`.repeat(20) + 'n'.repeat(76))],
        'ERR_LAYER_HOSTILE',
        /name of 4096 bytes/,
      ],
      ['513 directories', () => [file('d/'.repeat(513))], 'ERR_LAYER_HOSTILE', /deeper than 512/],
      [
        'a hardlink out of the root',
        () => [hardlink('x', '../outside/secret')],
        'ERR_LAYER_HOSTILE',
        /leaves the root/,
      ],
      [
        'a hardlink to an absolute path outside',
        (outside) => [hardlink('x', `${outside}/secret`)],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink through a symlink out',
        (outside) => [symlink('out', outside), hardlink('x', 'out/secret')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to nothing',
        () => [hardlink('x', 'nothing')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to what comes later',
        () => [hardlink('x', 'y'), file('y')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to a whiteout',
        () => [gone('.wh.y'), hardlink('x', 'y')],
        'ERR_LAYER_INVALID',
        /is not in this layer/,
      ],
      [
        'a hardlink to a directory',
        () => [dir('d'), hardlink('x', 'd')],
        'ERR_LAYER_HOSTILE',
        /hardlink to a directory/,
      ],
      [
        'a hardlink to itself',
        () => [file('x'), hardlink('x', './x')],
        'ERR_LAYER_HOSTILE',
        /hardlink to itself/,
      ],
      ['a hardlink to the root', () => [hardlink('x', '.')], 'ERR_LAYER_INVALID', /is not in this layer/],
      ['an entry beneath a file', () => [file('f'), file('f/x')], 'ERR_LAYER_INVALID', /not a directory/],
      [
        'an entry beneath a device',
        () => [entry('3', 'null', { major: 1, minor: 3 }), file('null/x')],
        'ERR_LAYER_INVALID',
        /not a directory/,
      ],
      [
        'symlinks in a circle',
        () => [symlink('a', 'b'), symlink('b', 'a'), file('a/x')],
        'ERR_LAYER_HOSTILE',
        /too many symlinks/,
      ],
      [
        'a symlink to itself',
        () => [symlink('a', 'a'), file('a/x')],
        'ERR_LAYER_HOSTILE',
        /too many symlinks/,
      ],
      [
        'a huge PAX header',
        () => [rawHeader({ name: 'p', type: 'x', mode: 0, size: 5 << 20 })],
        'ERR_LAYER_INVALID',
        /extended header of 5242880/,
      ],
      [
        'an xattr over 64 KiB',
        () => [file('x', '', xattr('user.big', 'v'.repeat(65_537)))],
        'ERR_LAYER_HOSTILE',
        /extended attribute of 65537/,
      ],
    ];
    it.each(refused)('%s', async (_, entries, code, message) => {
      const tar = tarOf(entries(box.outside));
      await expect(box.write(tar)).rejects.toEqual(
        expect.objectContaining({ code, message: expect.stringMatching(message) }),
      );
    });
  });

  describe('kept inside', () => {
    const inside: [
      what: string,
      entries: (outside: string) => Uint8Array[],
      shape: (outside: string) => string[],
    ][] = [
      ['an absolute name', () => [file('/etc/x', 'x')], () => ['etc dir', 'etc/x file 1']],
      ['.. inside the name', () => [file('a/../b/./c//d', 'x')], () => ['b dir', 'b/c dir', 'b/c/d file 1']],
      [
        'a file through an absolute symlink',
        (outside) => [symlink('out', outside), file('out/secret', 'x')],
        (outside) => [...parents(outside, 'secret file 1'), `out symlink ${outside}`],
      ],
      [
        'a file through .. symlinks',
        () => [symlink('up', '../../../outside'), file('up/secret', 'x')],
        () => ['outside dir', 'outside/secret file 1', 'up symlink ../../../outside'],
      ],
      [
        'a chain of symlinks',
        () => [symlink('a', 'b'), symlink('b', '/c'), dir('c'), file('a/x', 'x')],
        () => ['a symlink b', 'b symlink /c', 'c dir', 'c/x file 1'],
      ],
      [
        'a symlink that is replaced, not followed',
        (outside) => [symlink('x', `${outside}/secret`), file('x', 'new')],
        () => ['x file 3'],
      ],
      [
        'a directory in place of a symlink',
        (outside) => [symlink('x', outside), dir('x'), file('x/secret', 'x')],
        () => ['x dir', 'x/secret file 1'],
      ],
      [
        'a symlink in place of a directory already used',
        (outside) => [dir('x'), file('x/a', 'a'), symlink('x', outside), file('x/secret', 'no')],
        (outside) => [...parents(outside, 'secret file 2'), `x symlink ${outside}`].sort(),
      ],
      [
        'a whiteout through a symlinked parent',
        (outside) => [symlink('out', outside), gone('out/.wh.secret')],
        (outside) => [...parents(outside, 'secret whiteout'), `out symlink ${outside}`],
      ],
      [
        'an opaque marker through a symlinked parent',
        () => [dir('real'), symlink('via', 'real'), file('via/.wh..wh..opq', '')],
        () => ['real dir opaque', 'via symlink real'],
      ],
      [
        'a hardlink of a symlink, not of its target',
        (outside) => [symlink('s', `${outside}/secret`), hardlink('h', 's')],
        (outside) => [`h symlink ${outside}/secret`, `s symlink ${outside}/secret`],
      ],
      [
        'aufs bookkeeping',
        () => [file('.wh..wh.plnk/1.2', ''), gone('a/.wh..wh.orph'), file('b', 'b')],
        () => ['b file 1'],
      ],
      [
        '60 directories without entries',
        () => [file(`${deep(60)}/x`, 'x')],
        () => [...Array.from({ length: 60 }, (_, at) => `${deep(at + 1)} dir`), `${deep(60)}/x file 1`],
      ],
      ['.wh. in the middle of a name', () => [file('a.wh.b', 'x')], () => ['a.wh.b file 1']],
    ];
    /** The place that an absolute path has inside the layer. */
    function parents(outside: string, leaf: string): string[] {
      const parts = outside.slice(1).split('/');
      return [
        ...parts.map((_, at) => `${parts.slice(0, at + 1).join('/')} dir`),
        `${outside.slice(1)}/${leaf}`,
      ];
    }
    it.each(inside)('%s', async (_, entries, expected) => {
      const tar = tarOf(entries(box.outside));
      await box.write(tar);
      expect(box.shape()).toEqual(expected(box.outside).sort());
      expect((await box.reassembled()).equals(tar)).toBe(true);
    });
  });
});
