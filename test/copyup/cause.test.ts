import { describe, expect, it } from 'vitest';
import { type CauseEvidence, causeOf } from '../../src/copyup/cause.js';

const lower = { mode: 0o100644, uid: 0, gid: 0, size: 100, nlink: 1 };
const nothing: CauseEvidence = {
  regular: true,
  lower,
  after: lower,
  moved: false,
  emptied: false,
  written: false,
  attributesDiffer: false,
};

describe('the cause of a copy-up', () => {
  it.each([
    ['open', { written: true }],
    ['truncate', { written: true, emptied: true }],
    ['truncate', { after: { ...lower, size: 5 } }],
    ['chmod', { after: { ...lower, mode: 0o100600 } }],
    ['chown', { after: { ...lower, gid: 5 } }],
    ['xattr', { attributesDiffer: true }],
    ['rename', { moved: true }],
    ['link', { after: { ...lower, nlink: 2 }, moved: true }],
    ['unknown', {}],
    ['chmod', { after: { ...lower, mode: 0o100600 }, written: true }],
  ] as const)('is %s for %j', (cause, seen) => {
    expect(causeOf({ ...nothing, ...seen })).toBe(cause);
  });

  it('of an attribute set to what it was is known by the program that sets it', () => {
    expect(causeOf({ ...nothing, command: 'chown' })).toBe('chown');
    expect(causeOf({ ...nothing, command: 'python3' })).toBe('unknown');
    expect(causeOf({ ...nothing, command: 'chown', written: true })).toBe('open');
  });

  it('size and links of a directory say nothing', () => {
    const after = { ...lower, size: 5, nlink: 9 };
    expect(causeOf({ ...nothing, regular: false, after })).toBe('unknown');
  });
});
