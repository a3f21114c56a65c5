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

it('adds the files of extra authorities under both names to the system’s', () => {
  const env = {
    SSL_CERT_FILE: file('system'),
    NODE_EXTRA_CA_CERTS: file('extra'),
    GANTRY_EXTRA_CA_CERTS: file('moved'),
  };
  expect(systemRoots(env)).toEqual(['system', 'extra', 'moved']);
  expect(systemRoots({ SSL_CERT_FILE: env.SSL_CERT_FILE })).toEqual(['system']);
});

it('takes a file that cannot be read for none', () => {
  const roots = systemRoots({ SSL_CERT_FILE: file('system'), GANTRY_EXTRA_CA_CERTS: join(dir.path, 'none') });
  expect(roots).toEqual(['system']);
});
