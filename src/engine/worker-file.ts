/** Where a built worker thread's file is, seen from the bundle (dist/…) and from the sources (tests). */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GantryError } from '../core/errors.js';

/** ERR_INTERNAL when it is not built. */
export function workerFile(name: string): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== dirname(dir); dir = dirname(dir)) {
    const file = join(dir, 'dist', 'workers', `${name}.js`);
    if (existsSync(file)) return file;
  }
  throw new GantryError(
    'ERR_INTERNAL',
    `the worker threads are not built: dist/workers/${name}.js was not found`,
    {
      hint: 'npm run build',
    },
  );
}
