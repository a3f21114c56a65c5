/** An overlay mount of two lower directories, as the driver makes one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mount, umount } from '../../src/core/fsops/mount.js';

export interface Overlay {
  readonly upper: string;
  readonly work: string;
  readonly merged: string;
  /** Topmost first. */
  readonly lowers: readonly [top: string, base: string];
  /** Mounts it, when the lower directories are filled. */
  mount(): void;
  remove(): void;
}

export function overlay(): Overlay {
  const base = mkdtempSync(join(tmpdir(), 'gantry-overlay-'));
  const directory = (name: string): string => {
    mkdirSync(join(base, name));
    return join(base, name);
  };
  const [upper, work, merged] = [directory('upper'), directory('work'), directory('merged')];
  const lowers = [directory('top'), directory('base')] as const;
  let mounted = false;
  return {
    upper,
    work,
    merged,
    lowers,
    mount() {
      const data = `index=off,metacopy=off,redirect_dir=off,lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work}`;
      mount({ source: 'overlay', target: merged, type: 'overlay', data });
      mounted = true;
    },
    remove() {
      if (mounted) umount(merged);
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** Undefined when copy-ups can be traced here. */
export function whyNoTracing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const [major = 0, minor = 0] = execFileSync('uname', ['-r'], { encoding: 'utf8' }).split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 17) ? undefined : 'needs Linux 5.17';
}
