/** The program as one file, for what must be called from outside: by conmon, or by a test that kills it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { CliResult } from './cli-run.js';

/** Under node_modules, so that the packages it needs are found; each test file has its own. Gives its path. */
export async function buildCli(name: string): Promise<string> {
  const outfile = join(
    import.meta.dirname,
    '../../node_modules/.cache/gantry-test',
    `${name}-${process.pid}.mjs`,
  );
  await build({
    entryPoints: [join(import.meta.dirname, '../../src/cli/process.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    loader: { '.json': 'json' },
  });
  return outfile;
}

export function callCli(script: string, root: string, ...args: string[]): Promise<CliResult> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, '--root', root, ...args], { timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 255), out, err });
    });
  });
}
