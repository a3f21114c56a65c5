import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../src/core/atomic.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

describe('writeFileAtomic', () => {
  const dir = temporaryDirectory();
  const path = join(dir.path, 'file');
  afterAll(() => dir.remove());

  it('replaces a file and gives it the mode that was asked for, whatever the umask', () => {
    const umask = process.umask(0o077);
    try {
      writeFileAtomic(path, 'old');
      expect(statSync(path).mode & 0o777).toBe(0o600);
      writeFileAtomic(path, Buffer.from('new'), { mode: 0o644, sync: true });
      expect(statSync(path).mode & 0o777).toBe(0o644);
      expect(readFileSync(path, 'utf8')).toBe('new');
    } finally {
      process.umask(umask);
    }
  });

  it('leaves nothing beside it when it fails', () => {
    expect(() => writeFileAtomic(join(path, 'below-a-file'), 'x')).toThrow(/ENOTDIR/);
    expect(readdirSync(dir.path)).toEqual(['file']);
  });
});
