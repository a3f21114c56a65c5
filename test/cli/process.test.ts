/**
 * The program as a process. It is bundled into a directory without node_modules, so a command that works there has
 * loaded neither koffi nor piscina: that keeps the quick commands quick.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

describe('the code cache', () => {
  const dir = temporaryDirectory();
  afterAll(() => dir.remove());

  it('is made by the first start, taken by the next, and not for another program', async () => {
    const format = { bundle: true, format: 'cjs', platform: 'node', logLevel: 'error' } as const;
    await build({ ...format, entryPoints: ['src/cli/gantry.ts'], outdir: dir.path });
    const program = join(dir.path, 'process.js');
    const caches = () => readdirSync(dir.path).filter((name) => name.endsWith('.cache'));
    const start = () =>
      spawnSync(process.execPath, [join(dir.path, 'gantry.js')], { encoding: 'utf8' }).stdout;
    writeFileSync(program, 'console.log("one", require("node:path").basename(__filename));');
    expect(start()).toBe('one process.js\n');
    expect(caches()).toHaveLength(1);
    const made = statSync(join(dir.path, caches()[0]!)).ino;
    expect(start()).toBe('one process.js\n');
    expect(statSync(join(dir.path, caches()[0]!)).ino).toBe(made);
    writeFileSync(join(dir.path, caches()[0]!), 'not a cache');
    expect(start()).toBe('one process.js\n');
    expect(statSync(join(dir.path, caches()[0]!)).size).toBeGreaterThan(100);
    writeFileSync(program, 'console.log("two", require("node:path").basename(__filename));');
    expect(start()).toBe('two process.js\n');
    // As packages are made that are to be the same each time: all their files have one time.
    utimesSync(program, 1, 1);
    expect(start()).toBe('two process.js\n');
    writeFileSync(program, 'console.log("six", require("node:path").basename(__filename));');
    utimesSync(program, 1, 1);
    expect(start()).toBe('six process.js\n');
  });
});

describe('the program as it is installed', () => {
  const start = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    spawnSync('dist/src/cli/gantry.js', args, { encoding: 'utf8', env: { ...process.env, ...env } });

  it('keeps from Node what would have it read all authorities', () => {
    const { stdout, stderr, status } = start({ NODE_EXTRA_CA_CERTS: '/nowhere/company.pem' }, '--version');
    // Node warns of a file that it cannot read.
    expect({ stdout, stderr, status }).toEqual({
      stdout: expect.stringMatching(/^gantry version /),
      stderr: '',
      status: 0,
    });
  });

  it('hands on arguments with spaces, and exit codes', () => {
    const { stderr, status } = start({}, 'inspect', 'no such $(thing)');
    expect(stderr).toContain('no such $(thing)');
    expect(status).toBe(1);
  });

  it('has the environment of its caller, whatever the names in it', () => {
    const launcher = mkdtempSync(join(tmpdir(), 'gantry-launcher-'));
    copyFileSync('dist/src/cli/gantry.js', join(launcher, 'gantry.js'));
    writeFileSync(join(launcher, 'process.js'), 'console.log(JSON.stringify(process.env));');
    const seen = (env: NodeJS.ProcessEnv) =>
      JSON.parse(
        spawnSync(join(launcher, 'gantry.js'), { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } })
          .stdout,
      );
    const env = { NODE_EXTRA_CA_CERTS: '/a "b"/$c\\d.pem', 'build.id': '1', 'BASH_FUNC_x%%': '() { :\n}' };
    expect(seen(env)).toEqual({ PATH: process.env.PATH, ...env });
    expect(seen({})).toEqual({ PATH: process.env.PATH });
    rmSync(launcher, { recursive: true });
  });

  it('says nothing of a working directory that is gone', () => {
    const gone = mkdtempSync(join(tmpdir(), 'gantry-gone-'));
    const program = resolve('dist/src/cli/gantry.js');
    const { stderr, status } = spawnSync(
      '/bin/sh',
      ['-c', 'rmdir "$1"; exec "$2" --version', '-', gone, program],
      {
        cwd: gone,
        encoding: 'utf8',
      },
    );
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  });
});

describe('the gantry process', () => {
  const dir = temporaryDirectory();
  const entry = join(dir.path, 'process.js');
  const gantry = (...args: string[]) =>
    spawnSync(process.execPath, [entry, '--root', join(dir.path, 'root'), ...args], { encoding: 'utf8' });

  beforeAll(async () => {
    await build({
      entryPoints: ['src/cli/process.ts'],
      outdir: dir.path,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      packages: 'bundle',
      external: ['koffi', 'piscina', 'hash-wasm', 'lz4-napi'],
      banner: {
        js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);",
      },
      logLevel: 'error',
    });
  });
  afterAll(() => dir.remove());

  it.each([
    ['--version', /^gantry version \d+\.\d+\.\d+\n$/],
    ['--help', /Container image and runtime engine/],
    ['images', /^REPOSITORY/],
    ['version', /Node version/],
  ])('%s loads no native code', (name, expected) => {
    const { stdout, stderr, status } = gantry(name);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout).toMatch(expected);
  });

  it('ends with the status of its error', () => {
    expect(gantry('images', '--bogus').status).toBe(125);
    expect(gantry('history', 'nosuch').status).toBe(1);
    expect(gantry('inspect', 'nosuch').stderr).toBe('gantry: Error: No such object: nosuch\n');
  });

  it('a slow reader gets all: more than a pipe holds', () => {
    const text = 'x'.repeat(100_000);
    const read = (...args: string[]) => {
      const line = 'set -o pipefail; "$@" 2>&1 | { sleep 1; wc -c; }';
      const command = [process.execPath, entry, '--root', join(dir.path, 'root'), ...args];
      const { stdout, status } = spawnSync('bash', ['-c', line, 'bash', ...command]);
      return [Number(stdout), status];
    };
    expect(read('version', '--format', text)).toEqual([text.length + 1, 0]);
    const [length, status] = read('inspect', text); // its error
    expect(length).toBeGreaterThan(text.length);
    expect(status).toBe(1);
  });

  it('a reader that goes away is no failure', async () => {
    const child = spawn(process.execPath, [entry, 'run', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  });
});
