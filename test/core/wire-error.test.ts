import { expect, it } from 'vitest';
import { GantryError } from '../../src/core/errors.js';
import { fromWire, toWire } from '../../src/core/wire-error.js';

it('keeps code, details and the chain of causes across a structured clone', () => {
  const errno = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
  const cause = new GantryError(
    'ERR_STORE_CORRUPT',
    'layer is gone',
    { hint: 'pull again' },
    { cause: errno },
  );
  const error = new GantryError('ERR_LAYER_INVALID', 'cannot unpack', { offset: 512 }, { cause });
  const back = fromWire(structuredClone(toWire(error)));
  expect(back).toMatchObject({
    code: 'ERR_LAYER_INVALID',
    message: 'cannot unpack',
    details: { offset: 512 },
  });
  expect(back.stack).toBe(error.stack);
  expect(back.cause).toMatchObject({ code: 'ERR_STORE_CORRUPT', details: { hint: 'pull again' } });
  expect((back.cause as GantryError).cause).toMatchObject({
    code: 'ERR_INTERNAL',
    details: { errno: 'ENOENT' },
  });
});

it('takes anything that was thrown', () => {
  expect(fromWire(toWire('out of luck'))).toMatchObject({ code: 'ERR_INTERNAL', message: 'out of luck' });
});
