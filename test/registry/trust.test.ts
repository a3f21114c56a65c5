import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { systemRoots } from '../../src/registry/trust.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const dir = temporaryDirectory();
afterAll(() => dir.remove());
const file = (name: string): string => {
  writeFileSync(join(dir.path, name), name);
  return join(dir.path, name);
};

it('adds the file of extra authorities to the system’s', () => {
  const env = { SSL_CERT_FILE: file('system'), NODE_EXTRA_CA_CERTS: file('extra') };
  expect(systemRoots(env)).toEqual(['system', 'extra']);
  expect(systemRoots({ SSL_CERT_FILE: env.SSL_CERT_FILE })).toEqual(['system']);
});

it('takes a file that cannot be read for none', () => {
  const roots = systemRoots({ SSL_CERT_FILE: file('system'), NODE_EXTRA_CA_CERTS: join(dir.path, 'none') });
  expect(roots).toEqual(['system']);
});
