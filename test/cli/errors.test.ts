import { describe, expect, it } from 'vitest';
import { renderError } from '../../src/cli/render/error.js';
import { GantryError } from '../../src/core/errors.js';

describe('an error', () => {
  const reset = Object.assign(new Error('connection reset'), { code: 'ECONNRESET' });
  const error = new GantryError(
    'ERR_NETWORK',
    'layer: download failed',
    { hint: 'pull again' },
    { cause: reset },
  );

  it('shows what, why and what to do', () => {
    expect(renderError(error, false)).toBe(
      'gantry: layer: download failed\n  cause: connection reset\n  hint: pull again\n',
    );
  });
  it('shows code and stacks with --debug', () => {
    expect(renderError(error, true)).toContain('code: ERR_NETWORK');
    expect(renderError(error, true)).toContain('errors.test');
  });
  it('a chain that bites its tail ends', () => {
    const loop = new Error('a');
    loop.cause = loop;
    expect(renderError(loop, false)).toBe('gantry: a\n');
  });
  it('an aggregate says what it holds', () => {
    expect(renderError(new AggregateError([new Error('x'), new Error('y')]), false)).toBe('gantry: x; y\n');
  });
});
