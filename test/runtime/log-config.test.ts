import { describe, expect, it } from 'vitest';
import { parseLogTime } from '../../src/engine/log-time.js';
import { logLimits, parseLogConfig } from '../../src/runtime/log-config.js';

const START = '2024-05-01T10:00:00.000Z';

describe('log settings', () => {
  it('are bounded where nothing is said', () => {
    expect(logLimits(parseLogConfig(undefined, []))).toEqual({ maxSize: 10 << 20, maxFile: 3 });
    expect(logLimits(parseLogConfig('json-file', ['max-size=1k', 'max-file=7']))).toEqual({
      maxSize: 1024,
      maxFile: 7,
    });
    expect(logLimits(parseLogConfig('none', []))).toBeUndefined();
  });

  it.each([
    ['fluentd', [], "no log driver named 'fluentd'"],
    ['json-file', ['max-size'], 'invalid logging opts format'],
    ['json-file', ['max-files=3'], "unknown log opt 'max-files'"],
    ['json-file', ['max-file=0'], 'invalid max-file'],
    ['none', ['max-size=1k'], "unknown log opt 'max-size' for none log driver"],
  ])('refuse %s %j', (driver, options, message) => {
    expect(() => parseLogConfig(driver, options)).toThrow(message);
  });

  it.each([
    ['1714557600', '2024-05-01T10:00:00.000000000Z'],
    ['1714557600.5', '2024-05-01T10:00:00.500000000Z'],
    ['1h30m', '2024-05-01T08:30:00.000Z'],
    ['2024-05-01T12:00:00.123456789+02:00', '2024-05-01T10:00:00.123456789Z'],
    ['2024-05-01', '2024-05-01T00:00:00Z'],
  ])('know the time %s', (text, time) => expect(parseLogTime(text, new Date(START))).toBe(time));

  it('refuse what is no time', () => {
    expect(() => parseLogTime('yesterday', new Date(START))).toThrow('invalid time "yesterday"');
  });
});
