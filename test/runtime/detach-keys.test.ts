import { describe, expect, it } from 'vitest';
import { detachScanner, parseDetachKeys } from '../../src/runtime/detach-keys.js';

describe('detach keys', () => {
  it('are read as docker writes them', () => {
    expect([...parseDetachKeys('ctrl-p,ctrl-q')]).toEqual([16, 17]);
    expect([...parseDetachKeys('a,ctrl-[,ctrl-@')]).toEqual([97, 27, 0]);
    expect(() => parseDetachKeys('ctrl-,')).toThrow("Unknown character: 'ctrl-'");
    expect(() => parseDetachKeys('')).toThrow('Unknown character');
  });

  it('are found across pieces; what only begins like them passes', () => {
    const scan = detachScanner(parseDetachKeys('ctrl-p,ctrl-q'));
    const typed = (text: string) => {
      const { bytes, detach } = scan(Buffer.from(text));
      return [bytes.toString(), detach];
    };
    expect(typed('ab')).toEqual(['ab', false]);
    expect(typed('c\x10')).toEqual(['c', false]);
    expect(typed('d')).toEqual(['\x10d', false]);
    expect(typed('\x10\x10')).toEqual(['\x10', false]);
    expect(typed('\x11more')).toEqual(['', true]);
  });
});
