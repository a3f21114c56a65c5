import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryFile, textOf } from '../../src/core/fsops/memory-file.js';
import { type SpawnOptions, spawnProcess } from '../../src/core/spawn.js';
import { reap } from '../../src/runtime/reap.js';

describe('posix_spawn', () => {
  let directory: string;
  beforeAll(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'gantry-spawn-')));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const sh = async (script: string, options: Partial<SpawnOptions> = {}) => {
    const output = memoryFile('stdout');
    try {
      const stdio = ['ignore', output, output] as const;
      const pid = spawnProcess(['/bin/sh', '-c', script, 'sh', 'é ü', ''], { stdio, ...options });
      return { pid, code: await reap(pid), text: textOf(output) };
    } finally {
      closeSync(output);
    }
  };

  it('gives words, environment, directory and exit code', async () => {
    const script = 'echo "$1|$2|$#|$A|$(env | grep -c ^B=)"; pwd; exit 7';
    const found = await sh(script, { env: { A: 'ä', B: undefined, PATH: '/usr/bin:/bin' }, cwd: directory });
    expect(found).toMatchObject({ code: 7, text: `é ü||2|ä|0\n${directory}\n` });
    expect((await sh('echo $PATH')).text).toBe(`${process.env.PATH}\n`);
    expect((await sh('kill -9 $$')).code).toBe(137);
  });

  it('takes all that is written, with nobody reading', async () => {
    const { text } = await sh('head -c 1000000 /dev/zero | tr "\\0" x; echo end >&2');
    expect(text === `${'x'.repeat(1_000_000)}end\n`).toBe(true);
  });

  it('hands on no descriptor and no disposition of ours', async () => {
    const held = openSync('/dev/null', 'r');
    // Like node's own, with what this process was itself handed.
    expect((await sh('ls /proc/self/fd')).text).toBe(
      execFileSync('sh', ['-c', 'ls /proc/self/fd'], { encoding: 'utf8' }),
    );
    closeSync(held);
    const { text } = await sh('exec cat /proc/self/status');
    expect(readFileSync('/proc/self/status', 'utf8')).not.toMatch(/SigIgn:\s+0+\n/); // SIGPIPE, at least
    for (const set of ['SigIgn', 'SigBlk', 'SigCgt']) expect(text).toMatch(new RegExp(`${set}:\\s+0+\n`));
  });

  it('makes a session where asked to', async () => {
    const sid = 'cut -d " " -f 6 /proc/self/stat';
    const own = await sh(sid, { session: true });
    expect(own.text).toBe(`${own.pid}\n`);
    expect((await sh(sid)).text).toBe(
      `${readFileSync('/proc/self/stat', 'utf8').replace(/.*\) /, '').split(' ')[3]}\n`,
    );
  });

  it('says why it cannot', () => {
    const file = join(directory, 'plain');
    writeFileSync(file, 'text');
    chmodSync(file, 0o644);
    const attempt = (path: string) => () => spawnProcess([path], { stdio: [] });
    expect(attempt('/no/such')).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ errno: 'ENOENT' }) }),
    );
    expect(attempt(file)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ errno: 'EACCES' }) }),
    );
    expect(attempt('/bin/true\0')).toThrow('EINVAL');
  });

  it("leaves node's own children alone", async () => {
    const theirs = spawn('sh', ['-c', 'sleep 0.05; exit 5']);
    const theirEnd = once(theirs, 'exit');
    const ours = await Promise.all(Array.from({ length: 8 }, (_, n) => sh(`sleep 0.0${n % 9}; exit ${n}`)));
    expect(ours.map(({ code }) => code)).toEqual(Array.from({ length: 8 }, (_, n) => n));
    expect(await theirEnd).toEqual([5, null]);
  });
});
