import { describe, expect, test } from 'vitest';
import { digestOf } from '../../src/core/digest/digest.js';
import type { GantryError } from '../../src/core/errors.js';
import type { Descriptor } from '../../src/core/oci/descriptor.js';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  platformRank,
} from '../../src/registry/platform.js';

const entry = (platform: string | undefined, extra: Partial<Descriptor> = {}): Descriptor => {
  const [os, architecture, variant] = (platform ?? '').split('/');
  return {
    mediaType: MEDIA_TYPE.ociManifest,
    digest: digestOf(String(platform)),
    size: 1,
    ...(platform !== undefined && {
      platform: { os: os!, architecture: architecture!, ...(variant !== undefined && { variant }) },
    }),
    ...extra,
  };
};

describe('parse and format', () => {
  test.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/v5', 'linux/arm/v5'],
    ['Linux/ARM64', 'linux/arm64'],
    ['i386', 'linux/386'],
    ['s390x', 'linux/s390x'],
    ['windows/amd64', 'windows/amd64'],
  ])('%s is %s', (text, formatted) => {
    expect(formatPlatform(parsePlatform(text))).toBe(formatted);
  });

  test.each(['', 'linux/', 'a/b/c/d', 'linux/amd 64', '../x'])('%j is refused', (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });

  test('the host', () => {
    expect(formatPlatform(hostPlatform('x64'))).toBe('linux/amd64');
    expect(formatPlatform(hostPlatform('ppc64'))).toBe('linux/ppc64le');
    expect(parsePlatform('linux')).toEqual(hostPlatform());
  });
});

describe('choice', () => {
  test.each([
    ['linux/amd64', ['linux/arm64', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', ['linux/386', 'linux/amd64/v1'], 'linux/amd64/v1'],
    ['linux/amd64', ['linux/386'], 'linux/386'],
    ['linux/amd64', ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64/v3', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v2'],
    ['linux/arm64', ['linux/arm/v7', 'linux/arm64/v8'], 'linux/arm64/v8'],
    ['linux/arm64', ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
    ['linux/arm/v7', ['linux/arm/v5', 'linux/arm/v6', 'linux/arm64'], 'linux/arm/v6'],
    ['linux/s390x', ['linux/amd64', 'linux/s390x'], 'linux/s390x'],
    ['linux/riscv64', ['linux/riscv64'], 'linux/riscv64'],
  ])('%s of %j', (wanted, offered, best) => {
    const entries = [entry('unknown/unknown'), ...offered.map((platform) => entry(platform))];
    expect(choosePlatform(entries, parsePlatform(wanted), 'x').digest).toBe(digestOf(best));
  });

  test('the first of equals', () => {
    const [a, b] = [entry('linux/amd64', { size: 1 }), entry('linux/amd64', { size: 2 })];
    expect(choosePlatform([a, b], parsePlatform('amd64'), 'x')).toBe(a);
  });

  test('an entry that says nothing is the last choice, an artifact or attestation none', () => {
    const silent = entry(undefined);
    const attestation = entry('linux/amd64', {
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    });
    const chart = entry('linux/amd64', { mediaType: 'application/vnd.cncf.helm.chart' });
    const wanted = parsePlatform('amd64');
    expect(choosePlatform([attestation, chart, silent], wanted, 'x')).toBe(silent);
    expect(choosePlatform([silent, entry('linux/amd64')], wanted, 'x').platform).toBeDefined();
    expect(() => choosePlatform([attestation, chart], wanted, 'x')).toThrow(/found none at all/);
  });

  test('the error lists what there is and names a command', () => {
    try {
      choosePlatform([entry('linux/arm/v7'), entry('windows/amd64')], parsePlatform('amd64'), 'redis:7');
      expect.unreachable();
    } catch (error) {
      const { code, message, details } = error as GantryError;
      expect(code).toBe('ERR_NO_PLATFORM');
      expect(message).toBe('redis:7: no image for linux/amd64, found linux/arm/v7, windows/amd64');
      expect(details.hint).toBe('gantry pull --platform linux/arm/v7 redis:7');
    }
  });

  test('another system never fits', () => {
    expect(platformRank(parsePlatform('linux/amd64'), parsePlatform('windows/amd64'))).toBeUndefined();
    expect(platformRank(parsePlatform('linux/arm64'), parsePlatform('linux/amd64'))).toBeUndefined();
  });
});
