import { describe, expect, it } from 'vitest';
import { parseProfile } from '../../src/copyup/parse-profile.js';
import { shopProfile } from '../helpers/copyup-profile.js';

/** The profile as JSON, with one place of it replaced. */
function spoiled(place: string, value: unknown): string {
  const profile = JSON.parse(JSON.stringify(shopProfile())) as Record<string, unknown>;
  const keys = place.split('.');
  let at = profile;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[keys.at(-1)!] = value;
  return JSON.stringify(profile);
}

describe('reading a profile', () => {
  it('gives it back as it was written', () => {
    expect(parseProfile(JSON.stringify(shopProfile()), 'x')).toEqual(shopProfile());
  });

  it.each([
    [
      'schema',
      'gantry.copyup/9',
      'at schema: Invalid type: Expected "gantry.copyup/1" but received "gantry.copyup/9"',
    ],
    ['source', 'guess', 'at source: Invalid type: Expected ("trace" | "upper") but received "guess"'],
    ['files', null, 'at files: Invalid type: Expected Array but received null'],
    ['files.3.bytes', -1, 'at files.3.bytes: Invalid value: Expected >=0 but received -1'],
    ['files.3.bytes', 1.5, 'at files.3.bytes: Invalid safe integer: Received 1.5'],
    ['files.3.bytes', '7', 'at files.3.bytes: Invalid type: Expected number but received "7"'],
    ['files.0.path', 'relative', 'at files.0.path: Invalid start: Expected "/" but received "r"'],
    ['files.0.cause', 'magic', 'at files.0.cause: Invalid type: Expected ('],
    ['files.0.layer', 4, 'at files.0.layer: expected an index into 4 layers, found 4'],
    [
      'files.0.changed',
      {},
      'at files.0.changed.block4k: Invalid key: Expected "block4k" but received undefined',
    ],
    ['startedAt', 'yesterday', 'at startedAt: Invalid date: Expected RFC 3339'],
    ['container', 'db', 'at container: Invalid type: Expected Object but received "db"'],
    ['lost', '\x1b[2J', 'at lost: Invalid type: Expected number but received "\\x1b[2J"'],
    ['leftOut', 3, '3 files were left out of this report'],
  ])('refuses %s = %j', (place, value, message) => {
    expect(() => parseProfile(spoiled(place, value), 'p.json')).toThrow(`p.json: ${message}`);
  });

  it('refuses what is no JSON, or another document', () => {
    expect(() => parseProfile('{', 'p.json')).toThrow('p.json: not valid JSON');
    expect(() => parseProfile('[]', 'p.json')).toThrow('p.json: at ');
    expect(() => parseProfile('{"files":[]}', 'p.json')).toThrow('Expected "schema"');
  });
});
