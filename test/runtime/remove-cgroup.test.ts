import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { removeCgroup, removeEmptyCgroup } from '../../src/runtime/remove-cgroup.js';

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

    it('is removed at once where no process is in it, else not touched', async () => {
      const id = `test-empty-${process.pid}`;
      const directory = (controller: string) =>
        join(cgroupLayout().controllers.get(controller)!, 'gantry', id);
      const make = () => {
        for (const name of ['pids', 'memory']) mkdirSync(join(directory(name), 'inner'), { recursive: true });
      };
      make();
      expect(removeEmptyCgroup(id)).toBe(true);
      expect(existsSync(directory('pids'))).toBe(false);
      expect(existsSync(directory('memory'))).toBe(false);
      make();
      const child = spawn('sleep', ['600'], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await once(child, 'spawn');
      for (const name of ['pids', 'memory'])
        writeFileSync(join(directory(name), 'cgroup.procs'), String(child.pid));
      expect(removeEmptyCgroup(id)).toBe(false);
      expect(existsSync(directory('pids'))).toBe(true);
      expect(child.exitCode).toBe(null);
      child.kill('SIGKILL');
      await ended;
      await removeCgroup(id);
    });
  },
);
