import { expect, test } from 'vitest';
import { inBlock, isLoopback, proxyFor } from '../../src/registry/proxy.js';

const PROXY = 'http://p:3128';

test.each([
  ['https://quay.io/v2', { HTTPS_PROXY: PROXY }, PROXY],
  ['https://quay.io/v2', { https_proxy: 'p:3128', HTTPS_PROXY: 'http://other' }, PROXY],
  ['https://quay.io/v2', { HTTP_PROXY: PROXY }, undefined],
  ['http://reg.corp/v2', { HTTP_PROXY: PROXY }, PROXY],
  ['https://quay.io/v2', { HTTPS_PROXY: PROXY, NO_PROXY: '*' }, undefined],
  ['https://quay.io/v2', { HTTPS_PROXY: PROXY, NO_PROXY: 'a.b, quay.io' }, undefined],
  ['https://cdn.quay.io/v2', { HTTPS_PROXY: PROXY, no_proxy: 'quay.io' }, undefined],
  ['https://cdn.quay.io/v2', { HTTPS_PROXY: PROXY, NO_PROXY: '.quay.io' }, undefined],
  ['https://cdn.quay.io/v2', { HTTPS_PROXY: PROXY, NO_PROXY: '*.quay.io' }, undefined],
  ['https://notquay.io/v2', { HTTPS_PROXY: PROXY, NO_PROXY: 'quay.io' }, PROXY],
  ['https://reg.corp:5000/v2', { HTTPS_PROXY: PROXY, NO_PROXY: 'reg.corp:5000' }, undefined],
  ['https://reg.corp/v2', { HTTPS_PROXY: PROXY, NO_PROXY: 'reg.corp:443' }, undefined],
  ['https://reg.corp:5001/v2', { HTTPS_PROXY: PROXY, NO_PROXY: 'reg.corp:5000' }, PROXY],
  ['https://10.1.2.3/v2', { HTTPS_PROXY: PROXY, NO_PROXY: '10.0.0.0/8' }, undefined],
  ['https://11.1.2.3/v2', { HTTPS_PROXY: PROXY, NO_PROXY: '10.0.0.0/8' }, PROXY],
  ['https://[fd00::1]/v2', { HTTPS_PROXY: PROXY, NO_PROXY: 'fd00::1' }, undefined],
  ['http://localhost:5000/v2', { HTTP_PROXY: PROXY }, undefined],
  ['http://127.9.9.9:5000/v2', { HTTP_PROXY: PROXY }, undefined],
  ['http://[::1]:5000/v2', { HTTP_PROXY: PROXY }, undefined],
  ['https://quay.io/v2', {}, undefined],
])('%s with %j', (url, env, expected) => {
  expect(proxyFor(new URL(url), env)).toBe(expected);
});

test('loopback by name or address only', () => {
  expect(['localhost', 'localhost:1', '127.0.0.1', '[::1]:5000', '127.1.1.1:80'].every(isLoopback)).toBe(
    true,
  );
  expect(['127.0.0.1.evil.io', 'localhost.evil', '128.0.0.1', '[::2]', '1270'].some(isLoopback)).toBe(false);
});

test('address blocks', () => {
  expect(inBlock('10.255.0.1', '10.0.0.0/8')).toBe(true);
  expect(inBlock('fd00::5', 'fd00::/16')).toBe(true);
  expect(
    ['10.0.0.0/33', '10.0.0.0/x', 'host/8', 'fd00::/16'].some((block) => inBlock('10.0.0.1', block)),
  ).toBe(false);
});
