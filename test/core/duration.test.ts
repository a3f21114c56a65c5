import { expect, it } from 'vitest';
import { goDuration, goDurationText } from '../../src/core/duration.js';

it.each([
  [500, '500ms'],
  [1500, '1.5s'],
  [30_000, '30s'],
  [90_000, '1m30s'],
  [60_000, '1m0s'],
  [3_600_000, '1h0m0s'],
  [3_661_500, '1h1m1.5s'],
])('%d ms is %s, read and written', (milliseconds, text) => {
  expect(goDurationText(milliseconds)).toBe(text);
  expect(goDuration(text)).toBe(milliseconds);
});

it.each(['', '5', '-1s', '1d', 's', '1 s'])('%j is none', (text) => {
  expect(goDuration(text)).toBeUndefined();
});
