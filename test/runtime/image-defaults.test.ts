import { expect, it } from 'vitest';
import { processArgs, processEnv, withImageDefaults } from '../../src/runtime/image-defaults.js';

const both = { Entrypoint: ['e'], Cmd: ['c'] };

it.each([
  [both, {}, ['e', 'c']],
  [both, { Cmd: ['a'] }, ['e', 'a']],
  [both, { Entrypoint: ['x'] }, ['x']],
  [both, { Entrypoint: ['x'], Cmd: ['a'] }, ['x', 'a']],
  [both, { Entrypoint: [''], Cmd: ['a'] }, ['a']],
  [{ Cmd: ['c'] }, {}, ['c']],
  [{ Cmd: ['c'] }, { Cmd: ['a', 'b'] }, ['a', 'b']],
])('image %j with %j runs %j', (image, user, args) =>
  expect(processArgs(withImageDefaults(user, image))).toEqual(args),
);

it.each([
  [{}, {}],
  [both, { Entrypoint: [''] }],
])('image %j with %j has no command', (image, user) =>
  expect(() => processArgs(withImageDefaults(user, image))).toThrow('no command specified'),
);

it("lets the user's settings win, and joins maps", () => {
  const image = {
    User: 'redis',
    WorkingDir: '/data',
    StopSignal: 'SIGQUIT',
    Env: ['A=1', 'B=1'],
    Labels: { a: '1', b: '1' },
    Volumes: { '/v': {} },
  };
  const merged = withImageDefaults(
    { User: '0', Env: ['B=2'], Labels: { b: '2' }, Volumes: { '/w': {} } },
    image,
  );
  expect(merged).toMatchObject({
    User: '0',
    WorkingDir: '/data',
    StopSignal: 'SIGQUIT',
    Env: ['A=1', 'B=2'],
    Labels: { a: '1', b: '2' },
    Volumes: { '/v': {}, '/w': {} },
  });
});

it('takes only an absolute working directory, and makes it plain', () => {
  expect(withImageDefaults({}, { WorkingDir: '/a/../b/' }).WorkingDir).toBe('/b');
  expect(withImageDefaults({}, {}).WorkingDir).toBe('/');
  expect(() => withImageDefaults({ WorkingDir: 'a' })).toThrow(
    "the working directory 'a' is invalid, it needs to be an absolute path",
  );
});

it('has PATH, HOSTNAME and, with a terminal, TERM, unless set', () => {
  expect(processEnv({ Tty: true, Env: ['PATH=/p'] }, 'box')).toEqual([
    'PATH=/p',
    'HOSTNAME=box',
    'TERM=xterm',
  ]);
});
