import { describe, expect, it } from 'vitest';
import { parseSize } from '../../../src/runtime/flags/size.js';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['1048576', 1048576],
    ['500M', 524288000],
    ['500m', 524288000],
    ['64kb', 65536],
    ['1.5g', 1610612736],
    ['1 GiB', 1073741824],
    ['.5k', 512],
    ['2T', 2199023255552],
    ['3b', 3],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', '-1', 'm', '1x', '1mm', '0x10', '1,5g', 'one'])('refuses %j', (text) =>
    expect(() => parseSize(text)).toThrow(`invalid size: '${text}'`),
  );
});
