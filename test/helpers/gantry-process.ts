/** The built program as a process of its own, begun as a shell begins it: for what needs real exits, kills and several at once. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
export const GANTRY = join(ROOT, 'dist/src/cli/gantry.js');

// What a build of earlier sources does proves nothing.
const changed = ['src', 'workers'].flatMap((directory) =>
  readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
);
const built = statSync(GANTRY, { throwIfNoEntry: false })?.mtimeMs ?? 0;
if (built < Math.max(...changed)) throw new Error('dist/ is missing or older than src/: npm run bundle');

export interface Exit {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface GantryProcess {
  readonly ended: Promise<Exit>;
  kill(signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): void;
}

export function startGantry(root: string, ...args: string[]): GantryProcess {
  const child = spawn(GANTRY, ['--root', root, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  return {
    ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err }))),
    kill: (signal) => void child.kill(signal),
  };
}

/** Runs to the end. */
export const gantry = (root: string, ...args: string[]): Promise<Exit> => startGantry(root, ...args).ended;

/** Runs to the end, with nothing else going on here. */
export function builtGantry(root: string, ...words: readonly string[]): Exit {
  return builtGantryWith({}, root, ...words);
}

export function builtGantryWith(
  { env = {}, input = '' }: { readonly env?: NodeJS.ProcessEnv; readonly input?: string },
  root: string,
  ...args: readonly string[]
): Exit {
  const { status, stdout, stderr } = spawnSync(GANTRY, ['--root', root, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    input,
  });
  return { code: status, out: stdout, err: stderr };
}
