import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { removeCgroup } from '../../src/runtime/remove-cgroup.js';

describe.skipIf(process.getuid?.() !== 0)(
  'what a killed runtime left in a control group (needs root)',
  () => {
    it('is ended and removed, groups inside it too; none is nothing', async () => {
      const id = `test-${process.pid}`;
      const directory = join(cgroupLayout().controllers.get('pids')!, 'gantry', id);
      mkdirSync(join(directory, 'inner'), { recursive: true });
      const child = spawn('sleep', ['600'], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await once(child, 'spawn');
      writeFileSync(join(directory, 'inner/cgroup.procs'), String(child.pid));
      await removeCgroup(id);
      expect((await ended)[1]).toBe('SIGKILL');
      expect(existsSync(directory)).toBe(false);
      await removeCgroup(id);
    });
  },
);
