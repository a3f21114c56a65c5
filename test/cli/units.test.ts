import { describe, expect, it } from 'vitest';
import { ago, bytesSize, ellipsis, goTime, humanDuration, humanSize } from '../../src/cli/render/units.js';

describe('sizes', () => {
  it.each([
    [0, 4, '0B'],
    [24, 3, '24B'],
    [999, 4, '999B'],
    [1000, 4, '1kB'],
    [1_982_280, 4, '1.982MB'],
    [1_982_280, 3, '1.98MB'],
    [174_000_000, 3, '174MB'],
    [999_900, 3, '1MB'],
    [1_234_567_890, 4, '1.235GB'],
  ])('%d bytes in %d digits are %s', (bytes, digits, expected) => {
    expect(humanSize(bytes, digits)).toBe(expected);
  });
  it.each([
    [524_288_000, '500MiB'],
    [25_325_268_992, '23.59GiB'],
    [1023, '1023B'],
  ])('%d bytes are %s in powers of 1024', (bytes, expected) => {
    expect(bytesSize(bytes)).toBe(expected);
  });
});

describe('times', () => {
  const SECOND = 1000;
  const HOUR = 3600 * SECOND;
  const DAY = 24 * HOUR;
  it.each([
    [500, 'Less than a second'],
    [SECOND, '1 second'],
    [59 * SECOND, '59 seconds'],
    [60 * SECOND, 'About a minute'],
    [119 * SECOND, 'About a minute'],
    [2 * 60 * SECOND, '2 minutes'],
    [59 * 60 * SECOND, '59 minutes'],
    [60 * 60 * SECOND, 'About an hour'],
    [90 * 60 * SECOND, '2 hours'],
    [47 * HOUR, '47 hours'],
    [48 * HOUR, '2 days'],
    [13 * DAY, '13 days'],
    [14 * DAY, '2 weeks'],
    [60 * DAY, '2 months'],
    [729 * DAY, '24 months'],
    [730 * DAY, '2 years'],
  ])('%d ms are %s', (ms, expected) => {
    expect(humanDuration(ms)).toBe(expected);
  });
  it('an image without a date is N/A old', () => {
    expect(ago(undefined, 0)).toBe('N/A');
    expect(goTime(undefined)).toBe('N/A');
  });
  it("Go's zero of a date", () => {
    expect(goTime('2026-11-21T21:43:39.5102015Z')).toBe('2026-11-21 21:43:39 +0000 UTC');
  });
});

describe('ellipsis', () => {
  it('keeps what fits', () => expect(ellipsis('abc', 3)).toBe('abc'));
  it('counts characters, not code units', () => expect(ellipsis('😀😀😀😀', 3)).toBe('😀😀…'));
});
