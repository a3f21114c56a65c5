import { expect, it } from 'vitest';
import { commandName } from '../../src/cli/command-name.js';

it.each([
  [['run', '-d', 'redis'], 'run', ['-d', 'redis']],
  [['--root', 'run', 'ps', '-a'], 'ps', ['-a']],
  [['--root=/srv/images', '-D', 'container', 'ls'], 'container', ['ls']],
  [['--version'], '', []],
  [['--root'], '', []],
  [[], '', []],
])('%j names %j', (args, name, rest) => {
  expect(commandName(args)).toEqual({ name, rest });
});
