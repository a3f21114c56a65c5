import { describe, expect, it } from 'vitest';
import {
  environment,
  labels,
  mergeEnvironment,
  parseEntryFile,
} from '../../../src/runtime/flags/environment.js';

describe('-e and --env-file', () => {
  it('takes files first, then flags, and bare names from the caller', () => {
    const file = '\uFEFF# comment\n\n  A=1\nB\nC=with = and "quotes" \r\nGONE\n';
    expect(environment([file], ['D', 'E=', 'F=x=y'], { B: 'b', D: 'd' })).toEqual([
      'A=1',
      'B=b',
      'C=with = and "quotes" ',
      'D=d',
      'E=',
      'F=x=y',
    ]);
  });

  it('refuses an entry without a name', () => {
    expect(() => environment([], ['=x'], {})).toThrow('invalid environment variable: =x');
    expect(() => parseEntryFile('=x')).toThrow("poorly formatted environment: no variable name on line '=x'");
    expect(() => parseEntryFile('a b=x')).toThrow(
      "poorly formatted environment: variable 'a b' contains whitespaces",
    );
  });

  it('lays one over another in place', () => {
    expect(mergeEnvironment(['PATH=/a', 'X=1'], ['X=2', 'Y=3', 'PATH=/b'])).toEqual([
      'PATH=/b',
      'X=2',
      'Y=3',
    ]);
  });

  it('keeps labels as a map, bare ones empty', () => {
    expect(labels(['a=1\nb'], ['a=2', 'c=d=e'])).toEqual({ a: '2', b: '', c: 'd=e' });
  });
});
