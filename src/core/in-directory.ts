/** Making directories only where they are missing: nearly always they are there, and looking costs more than the work. */
import { mkdirSync } from 'node:fs';
import { errnoCode } from './errors.js';

/** Runs `act`. Where something is missing for it (ENOENT) makes `directory` with its parents, and runs it again. */
export function inDirectory<T>(directory: string, mode: number, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
  mkdirSync(directory, { recursive: true, mode });
  return act();
}
