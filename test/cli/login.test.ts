/** Where a login is asked for: Ctrl-C ends it at each question, as it ends other commands. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { runCli } from '../helpers/cli-run.js';
import { GANTRY } from '../helpers/gantry-process.js';

const why = findExecutable('script') === undefined ? ' (skipped: needs script)' : '';

it.each([
  [['-u', '', '-p', 'x'], 'Non-null Username Required'],
  [['-u', 'me', '-p', ''], 'Password Required'],
])('an empty name or password is refused: %j', async (flags, message) => {
  const { code, err } = await runCli('/nonexistent', 'login', ...flags, 'localhost:1');
  expect(code).toBe(1);
  expect(err).toContain(message);
});

describe.skipIf(why !== '')(`login on a terminal${why}`, { timeout: 30_000 }, () => {
  it.each([
    ['the name', 'login localhost:1', ['Username: ']],
    ['the password', 'login localhost:1', ['Username: ', 'Password: ']],
    ['a password from stdin', 'login -u me --password-stdin localhost:1', ['asked']],
  ])('Ctrl-C instead of %s', async (_, words, questions) => {
    const command = `echo asked; exec ${process.execPath} ${GANTRY} ${words}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    let shown = '';
    child.stdout.on('data', (bytes) => {
      shown += bytes;
    });
    for (const question of questions.slice(0, -1)) {
      while (!shown.includes(question)) await once(child.stdout, 'data');
      child.stdin.write('me\r');
    }
    while (!shown.includes(questions.at(-1)!)) await once(child.stdout, 'data');
    // It may not be reading yet.
    const typing = setInterval(() => child.stdin.write('\x03'), 500);
    expect((await ended)[0]).toBe(130);
    clearInterval(typing);
    if (questions.length > 1) expect(shown).toContain('login canceled');
  });
});
