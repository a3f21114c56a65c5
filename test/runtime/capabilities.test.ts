import { expect, it } from 'vitest';
import { ALL_CAPABILITIES, boundingSet, capabilitiesFor } from '../../src/runtime/capabilities.js';

const bounding = (1n << 41n) - 1n;

it("starts from Docker's set, in the kernel's order", () => {
  const mask = capabilitiesFor({ bounding }).reduce(
    (sum, name) => sum | (1n << BigInt(ALL_CAPABILITIES.indexOf(name))),
    0n,
  );
  expect(mask.toString(16)).toBe('a80425fb');
});

it('adds and drops, with or without CAP_, in any case', () => {
  const set = capabilitiesFor({ add: ['net_admin', 'CAP_SYS_TIME'], drop: ['MKNOD'], bounding });
  expect(set).toContain('CAP_NET_ADMIN');
  expect(set).toContain('CAP_SYS_TIME');
  expect(set).not.toContain('CAP_MKNOD');
  expect(capabilitiesFor({ drop: ['all'], add: ['CHOWN'], bounding })).toEqual(['CAP_CHOWN']);
  expect(capabilitiesFor({ add: ['ALL'], drop: ['SYS_ADMIN'], bounding })).toHaveLength(40);
});

it('gives ALL and --privileged what this process has itself', () => {
  const without = bounding & ~(1n << 24n);
  expect(capabilitiesFor({ privileged: true, bounding: without })).not.toContain('CAP_SYS_RESOURCE');
  expect(capabilitiesFor({ add: ['ALL'], bounding: without })).toHaveLength(40);
  expect(boundingSet('Name:\tx\nCapBnd:\t000001fffeffffff\n')).toBe(without);
});
