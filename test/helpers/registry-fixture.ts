/**
 * A registry that is not ours, to be judged by: Debian's docker-registry (distribution) on loopback with its storage
 * in a temporary directory, and OCI layouts pushed into it by skopeo.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface RegistryFixture {
  /** "127.0.0.1:PORT" */
  readonly host: string;
  readonly pid: number;
  /** Copies an OCI layout (`dir:tag`) as `<host>/<repository>:<tag>`, blobs and digests unchanged, and returns that reference. */
  push(layout: { readonly dir: string; readonly tag: string }, repository: string): Promise<string>;
  stop(options?: { keep?: boolean }): Promise<void>;
}

export interface RegistryOptions {
  /** Where the storage lies; a new temporary directory by default. */
  readonly dir?: string;
  /** Lines of an htpasswd file with bcrypt hashes: nobody else is let in. */
  readonly htpasswd?: string;
}

export async function startRegistry(options: RegistryOptions = {}): Promise<RegistryFixture> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'gantry-registry-'));
  mkdirSync(dir, { recursive: true });
  const host = `127.0.0.1:${await freePort()}`;
  const config = join(dir, 'config.json');
  // YAML is a superset of JSON.
  writeFileSync(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(dir, 'storage') } },
      http: { addr: host },
      ...(options.htpasswd === undefined
        ? {}
        : { auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } } }),
    }),
  );
  if (options.htpasswd !== undefined) writeFileSync(join(dir, 'htpasswd'), options.htpasswd);
  const log = openSync(join(dir, 'log'), 'a');
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', log, log] });
  await answering(`http://${host}/v2/`, child);
  return {
    host,
    pid: child.pid!,
    async push(layout, repository) {
      const reference = `${host}/${repository}:${layout.tag}`;
      const flags = ['--insecure-policy', 'copy', '-q', '--preserve-digests', '--dest-tls-verify=false'];
      await run('skopeo', [...flags, `oci:${layout.dir}:${layout.tag}`, `docker://${reference}`]);
      return reference;
    },
    async stop({ keep = false } = {}) {
      await stopChild(child);
      if (!keep) rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  for (let waited = 0; waited < 10_000; waited += 50) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null) throw new Error(`docker-registry exited with code ${child.exitCode}`);
    try {
      const { ok, status } = await fetch(url);
      if (ok || status === 401) return;
    } catch {
      // Not listening yet.
    }
    await sleep(50);
  }
  child.kill('SIGKILL');
  throw new Error(`no answer from ${url} in 10 s`);
}

/** SIGTERM, and SIGKILL after 10 s. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(timer);
}
