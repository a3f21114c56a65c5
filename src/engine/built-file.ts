/** Where a file that the build made is, seen from the bundle (dist/…) and from the sources (tests). */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GantryError } from '../core/errors.js';

/** `path` is below `dist`. ERR_INTERNAL when it is not built. */
export function builtFile(path: string): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== dirname(dir); dir = dirname(dir)) {
    const file = join(dir, 'dist', path);
    if (existsSync(file)) return file;
  }
  throw new GantryError('ERR_INTERNAL', `not built: dist/${path} was not found`, { hint: 'npm run build' });
}
