import { describe, expect, it } from 'vitest';
import { runCli } from '../helpers/cli-run.js';

const gantry = (...args: string[]) => runCli('/nonexistent', ...args);

describe('what the user typed is not a command', () => {
  it.each([
    [
      ['rmi'],
      '"gantry rmi" requires at least 1 argument.\n\nUsage:  gantry rmi [OPTIONS] IMAGE [IMAGE...]',
      1,
    ],
    [['pull'], '"gantry pull" requires at least 1 argument.', 1],
    [['tag', 'a'], '"gantry tag" requires exactly 2 arguments.', 1],
    [['images', 'a', 'b'], '"gantry images" requires at most 1 argument.', 1],
    [['system', 'df', 'x'], '"gantry system df" accepts no arguments.', 1],
    [['images', '--bogus'], 'unknown flag: --bogus', 125],
    [['images', '-Z'], "unknown shorthand flag: 'Z' in -Z", 125],
    [['history', '--format'], 'flag needs an argument: --format', 125],
    [
      ['images', '-f', 'x'],
      'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)',
      125,
    ],
    [['bogus'], 'unknown command: gantry bogus', 1],
    [['image', 'bogus'], 'unknown command: gantry image bogus', 1],
    [['pull', 'UPPER'], 'repository name (library/UPPER) must be lowercase', 1],
    [['images', '-f', 'foo=1'], "Invalid filter 'foo'", 1],
    [['images', '-f', 'dangling=maybe'], "Invalid filter 'dangling=[maybe]'", 1],
    [['inspect', '--type', 'foo', 'x'], 'invalid type', 125],
  ])('%j', async (args, message, status) => {
    const { err, code } = await gantry(...args);
    expect(err).toContain(`gantry: ${message}`.slice(0, message.startsWith('repository') ? 8 : undefined));
    expect(err).toContain(message);
    expect(code).toBe(status);
  });

  it('an empty root lists nothing and is not made', async () => {
    expect(await gantry('images')).toEqual({
      out: 'REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n',
      err: '',
      code: 0,
    });
  });
});
