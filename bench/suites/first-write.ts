/**
 * The first write to a SQLite database that lies in a lower layer: sqlite3 is started, opens it and updates one row. Cold,
 * the kernel copies the whole file up first (at the open already: sqlite3 opens a database for writing even to read it);
 * warm, `gantry copyup warm` has done so, whose time passes before anybody waits. Needs sqlite3, and root for the mounts.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { copyUpFiles } from '../../src/copyup/copy-up-file.js';
import { mountStack, unmountStack } from '../../src/overlay/overlay-mount.js';
import type { Case, Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';

const MiB = 1024 * 1024;
const SIZES = [8, 128] as const;
const FILL = `CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ROWS) INSERT INTO t SELECT i, randomblob(8192) FROM n;`;

const sqlite = (file: string, input: string): void => void execFileSync('sqlite3', [file], { input });

export async function firstWriteSuite(): Promise<Suite> {
  const directory = mkdtempSync(join(benchDir(), 'first-write-'));
  const merged = join(directory, 'merged');
  let mounts = 0;
  const firstWrite = (lower: string, warm: boolean): number => {
    const name = `u${mounts++}`;
    const write = { upper: name, work: `${name}-work` };
    for (const made of Object.values(write)) mkdirSync(join(directory, made));
    mountStack({ home: directory, lowers: [lower], write, merged });
    try {
      if (warm) {
        const root = openSync(merged, constants.O_RDONLY);
        copyUpFiles({ root, upper: join(directory, name), paths: ['main.db'] }, () => false);
        closeSync(root);
      }
      const started = performance.now();
      sqlite(join(merged, 'main.db'), "UPDATE t SET v = 'x' WHERE id = 7;");
      return performance.now() - started;
    } finally {
      unmountStack(merged);
      rmSync(join(directory, name), { recursive: true });
    }
  };
  const cases = SIZES.flatMap((size): Case[] => {
    const lower = `lower-${size}`;
    mkdirSync(join(directory, lower));
    const file = join(directory, lower, 'main.db');
    sqlite(file, FILL.replace('ROWS', String((size * MiB) / 8400)));
    const bytes = statSync(file).size;
    return [false, true].map((warm) => ({
      name: `sqlite ${size} MiB, ${warm ? 'warm' : 'cold'}`,
      group: `sqlite ${size}`,
      bytes,
      run: () => ({ overriddenDuration: firstWrite(lower, warm) }),
    }));
  });
  return { cases, time: 500, close: () => rmSync(directory, { recursive: true, force: true }) };
}
