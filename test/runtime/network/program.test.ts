import { closeSync, existsSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tryLock } from '../../../src/core/lock.js';
import { runProgram } from '../../../src/runtime/network/program.js';
import { temporaryDirectory } from '../../helpers/layer-fixture.js';

const sh = (script: string, options: Partial<Parameters<typeof runProgram>[1]> = {}) =>
  runProgram(['/bin/sh', '-c', script], { env: { PATH: '/usr/bin:/bin' }, ...options });

describe('a program of the host', () => {
  it('reads what it is given and says what it has to say, in any amount', async () => {
    expect(await sh('cat; echo "$A $(pwd)" >&2; exit 3', { env: { A: 'b' }, input: '{"ü":1}' })).toEqual({
      status: 3,
      stdout: '{"ü":1}',
      stderr: 'b /\n',
    });
    const input = 'x'.repeat(3_000_000);
    expect((await sh('cat', { input })).stdout).toBe(input);
    expect((await sh('cat')).stdout).toBe('');
  });

  it('is killed after its time', async () => {
    expect(await sh('echo begun; exec sleep 60', { timeoutMs: 200 })).toMatchObject({
      status: 137,
      stdout: 'begun\n',
    });
  });

  it('that is not there is an error', async () => {
    await expect(runProgram(['/no/such/plugin'], { env: {} })).rejects.toMatchObject({
      code: 'ERR_SYSCALL',
      details: { errno: 'ENOENT' },
    });
  });

  it('holds a lock with us, and what it runs', async () => {
    const dir = temporaryDirectory();
    try {
      const path = `${dir.path}/lock`;
      const held = tryLock(path)!;
      const done = sh(`sh -c 'until [ -e ${dir.path}/go ]; do sleep 0.01; done'`, { held: held.fd });
      closeSync(held.fd); // as a kill does
      expect(tryLock(path)).toBeUndefined();
      writeFileSync(`${dir.path}/go`, '');
      await done;
      tryLock(path)!.release();
      expect(existsSync(path)).toBe(false);
    } finally {
      dir.remove();
    }
  });
});
