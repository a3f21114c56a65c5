/**
 * docker-credential-<name>: `get`, the server on stdin, and on stdout
 *   {"ServerURL":"quay.io","Username":"bot","Secret":"…"}      Username "<token>": Secret is an identity token
 * Exit 1 with "credentials not found in native keychain" means that there are none. Runs of one helper are one after
 * another (many unlock one keychain), never through a shell, at most 5 s each.
 */
import { spawn } from 'node:child_process';
import { LIMITS } from '../core/limits.js';
import type { Credential } from './endpoint.js';

export const HELPER_TIMEOUT_MS = 5000;

export interface HelperOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

export class CredentialHelpers {
  readonly #env: NodeJS.ProcessEnv;
  readonly #timeoutMs: number;
  readonly #last = new Map<string, Promise<Credential>>();

  constructor(options: HelperOptions) {
    this.#env = options.env;
    this.#timeoutMs = options.timeoutMs ?? HELPER_TIMEOUT_MS;
  }

  /** Never rejects: a helper that fails is an anonymous credential with the `problem`. */
  get(helper: string, server: string): Promise<Credential> {
    const turn = (this.#last.get(helper) ?? Promise.resolve()).then(() => this.#run(helper, server));
    this.#last.set(helper, turn);
    return turn;
  }

  async #run(helper: string, server: string): Promise<Credential> {
    const program = `docker-credential-${helper}`;
    const failed = (why: string): Credential => ({ kind: 'anonymous', problem: `${program} ${why}` });
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper)) return failed('is not a valid helper name');
    return new Promise((resolve) => {
      const child = spawn(program, ['get'], {
        env: this.#env,
        stdio: ['pipe', 'pipe', 'ignore'],
        timeout: this.#timeoutMs,
        killSignal: 'SIGKILL',
      });
      const chunks: Buffer[] = [];
      let size = 0;
      child.on('error', (error: NodeJS.ErrnoException) =>
        resolve(failed(error.code === 'ENOENT' ? 'is not installed' : `failed (${error.code})`)),
      );
      child.stdin.on('error', () => {});
      child.stdin.end(server);
      child.stdout.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > LIMITS.tokenBytes) child.kill('SIGKILL');
        else chunks.push(chunk);
      });
      child.on('exit', (_, signal) => {
        // A helper's own children may hold stdout open for ever.
        if (signal !== null) child.stdout.destroy();
      });
      child.on('close', (code, signal) => {
        const output = Buffer.concat(chunks).toString();
        if (code === 0) resolve(readAnswer(output) ?? failed('answered with no credentials'));
        else if (/credentials not found/i.test(output)) resolve({ kind: 'anonymous' });
        else if (size > LIMITS.tokenBytes)
          resolve(failed(`answered with more than ${LIMITS.tokenBytes} bytes`));
        else if (signal !== null) resolve(failed(`did not answer in ${this.#timeoutMs / 1000} s`));
        else resolve(failed(`exited with ${code}`));
      });
    });
  }
}

function readAnswer(output: string): Credential | undefined {
  try {
    const { Username: username, Secret: secret } = JSON.parse(output) as Record<string, unknown>;
    if (typeof username !== 'string' || typeof secret !== 'string') return undefined;
    if (username === '' && secret === '') return { kind: 'anonymous' };
    return username === '<token>'
      ? { kind: 'identity', token: secret }
      : { kind: 'basic', username, password: secret };
  } catch {
    return undefined;
  }
}
