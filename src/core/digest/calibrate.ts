/**
 * `--hash auto`: times both SHA-256 back-ends for a few milliseconds and keeps the answer for this CPU and Node
 * version in `<root>/gantry/hash.json`: {"cpu":"…","node":"v20…","wasm":370,"native":1940} in MB/s. Measured: native
 * is 2 to 5 times as fast wherever OpenSSL is not crippled, but that is for the machine to say.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { writeFileAtomic } from '../atomic.js';
import { createHasher, type HashBackend } from './hasher.js';

export interface Calibration {
  readonly cpu: string;
  readonly node: string;
  /** MB/s of SHA-256. */
  readonly wasm: number;
  readonly native: number;
}

const CHUNK = new Uint8Array(256 * 1024);
const BUDGET_MS = 4;

async function rate(backend: HashBackend): Promise<number> {
  const hasher = await createHasher('sha256', backend);
  hasher.update(CHUNK);
  const started = performance.now();
  let chunks = 0;
  while (performance.now() - started < BUDGET_MS) {
    hasher.update(CHUNK);
    chunks++;
  }
  return Math.round((chunks * CHUNK.length) / 1000 / (performance.now() - started));
}

/** The kept calibration for this machine, or a new one, which is then kept where `file` can be written. */
export async function calibrate(file: string): Promise<Calibration> {
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', node: process.version };
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Calibration;
    if (kept.cpu === machine.cpu && kept.node === machine.node && kept.wasm > 0 && kept.native > 0)
      return kept;
  } catch {
    // none kept yet, or damaged: measure again
  }
  const found = { ...machine, wasm: await rate('wasm'), native: await rate('native') };
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o710 });
    writeFileAtomic(file, `${JSON.stringify(found)}\n`);
  } catch {
    // a read-only root: the answer holds for this run
  }
  return found;
}

/** The back-end for `--hash`. */
export async function chooseHashBackend(
  choice: 'auto' | HashBackend,
  calibrationFile: string,
): Promise<HashBackend> {
  if (choice !== 'auto') return choice;
  const { wasm, native } = await calibrate(calibrationFile);
  return wasm > native ? 'wasm' : 'native';
}
