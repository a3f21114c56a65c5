/** Runs a command line in this process, with what it writes caught. */
import { main } from '../../src/cli/main.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCli(root: string, ...args: string[]): Promise<CliResult> {
  let out = '';
  let err = '';
  const session = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    signal: new AbortController().signal,
    root,
    debug: false,
    exitCode: 0,
  };
  const code = await main(session, ['--root', root, ...args]);
  return { code, out, err };
}
