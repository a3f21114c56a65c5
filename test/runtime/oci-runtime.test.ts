import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseRuntime } from '../../src/runtime/oci-runtime.js';
import { runtimeError, startExitCode } from '../../src/runtime/runtime-error.js';

const cgroups = {
  version: 'v2',
  controllers: new Map<string, string>(),
  swapLimit: true,
  blockWeight: true,
} as const;

describe('the choice of a runtime', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-runtime-'));
    for (const name of ['crun', 'runc']) {
      writeFileSync(join(directory, name), '#!/bin/sh\n');
      chmodSync(join(directory, name), 0o755);
    }
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const choose = (own: Partial<Parameters<typeof chooseRuntime>[0]> = {}) =>
    chooseRuntime({ cgroups, path: directory, stateDirectory: join(directory, 'state'), ...own });

  it('takes crun first, with a state directory of its own', () => {
    const crun = join(directory, 'crun');
    expect(choose()).toEqual({
      name: 'crun',
      path: crun,
      state: join(directory, 'state/crun'),
      command: [crun, '--root', join(directory, 'state/crun'), '--cgroup-manager=cgroupfs'],
    });
    expect(choose({ forced: 'runc' }).command).toEqual([
      join(directory, 'runc'),
      '--root',
      join(directory, 'state/runc'),
    ]);
    expect(choose({ forced: join(directory, 'runc') }).name).toBe('runc');
  });

  it('knows it by its absolute path, for those with another working directory', () => {
    const crun = join(directory, 'crun');
    expect(choose({ path: relative(process.cwd(), directory) }).path).toBe(crun);
    expect(choose({ forced: relative(process.cwd(), crun) }).command[0]).toBe(crun);
  });

  it('hides a cgroup2 side that still holds controllers from crun', () => {
    const hybrid = (controllers: string[]) =>
      ({ ...cgroups, version: 'hybrid', unified: { path: '/u', controllers } }) as const;
    expect(choose({ cgroups: hybrid([]) }).hidden).toBeUndefined();
    expect(choose({ cgroups: hybrid(['hugetlb']) }).hidden).toBe('/u');
    expect(choose({ cgroups: hybrid(['hugetlb']), forced: 'runc' }).hidden).toBeUndefined();
  });

  it('says how to get one', () => {
    expect(() => choose({ forced: 'no-such-runtime' })).toThrow(
      expect.objectContaining({ code: 'ERR_RUNTIME_MISSING', details: { hint: 'apt-get install crun' } }),
    );
  });
});

describe('what runtimes say', () => {
  const runc = (message: string) =>
    `time="2024-05-01T10:00:00Z" level=error msg="runc create failed: unable to start container process: ${message}"\n`;
  it.each([
    [
      'executable file `x` not found in $PATH: No such file or directory\n',
      'x',
      127,
      'exec: "x": executable file not found in $PATH',
    ],
    [
      runc('exec: \\"x\\": executable file not found in $PATH'),
      'x',
      127,
      'exec: "x": executable file not found in $PATH',
    ],
    [
      runc('exec: \\"/x\\": stat /x: no such file or directory'),
      '/x',
      127,
      'exec: "/x": stat /x: no such file or directory',
    ],
    ['open executable: Permission denied\n', '/x', 126, 'exec: "/x": permission denied'],
    ['open executable: Operation not permitted\n', '/etc', 126, 'exec: "/etc": permission denied'],
    [runc('exec: \\"/x\\": permission denied'), '/x', 126, 'exec: "/x": permission denied'],
    ['chdir `/x`: Not a directory\n', 'sh', 126, 'cannot use working directory "/w"'],
    [
      runc('error during container init: mkdir /x: not a directory'),
      'sh',
      126,
      'cannot use working directory "/w"',
    ],
    [
      runc('error setting rlimit type 7: operation not permitted'),
      'sh',
      125,
      'error setting rlimit type 7: operation not permitted',
    ],
    ['', 'sh', 125, 'no reason given'],
  ])('%j', (stderr, command, code, message) => {
    const error = runtimeError(stderr, command, '/w');
    expect(error.message).toBe(`OCI runtime create failed: ${error.message.slice(27)}`);
    expect(error.message).toContain(message);
    expect(startExitCode(error)).toBe(code);
  });

  it('gives 125 to all other errors', () => expect(startExitCode(new Error('x'))).toBe(125));
});
