/**
 * What a trace costs a container that copies nothing up: the same work in two overlay mounts over the same files, one of
 * them traced. Reading is what must not cost more than noise; files closed after writing are told to the tracer. As root.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mount, umount } from '../../src/core/fsops/mount.js';
import { CopyUpTracer } from '../../src/engine/copyup-tracer.js';
import type { Case, Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';

const FILES = 1000;
const BYTES = 8192;

export async function traceSuite(): Promise<Suite> {
  const base = mkdtempSync(join(benchDir(), 'trace-'));
  const lower = join(base, 'lower');
  mkdirSync(lower);
  for (let at = 0; at < FILES; at++) writeFileSync(join(lower, `${at}`), Buffer.alloc(BYTES, at));
  const [plain, traced] = ['plain', 'traced'].map((name) => overlay(join(base, name), lower));
  const tracer = await CopyUpTracer.start({ mount: traced!, lowers: [lower], watch: true });
  if (tracer.refused !== undefined) throw tracer.refused;
  let made = 0;
  const works: Record<string, (merged: string) => void> = {
    [`read ${FILES} files`]: (merged) => {
      for (let at = 0; at < FILES; at++) readFileSync(join(merged, `${at}`));
    },
    [`open one file ${FILES} times`]: (merged) => {
      for (let at = 0; at < FILES; at++) closeSync(openSync(join(merged, '0'), 'r'));
    },
    [`write ${FILES} new files`]: (merged) => {
      mkdirSync(join(merged, `d${made}`));
      for (let at = 0; at < FILES; at++) writeFileSync(join(merged, `d${made}`, `${at}`), 'new');
      made++;
    },
  };
  const cases = Object.entries(works).flatMap(([group, work]): Case[] =>
    [plain!, traced!].map(({ merged }, index) => ({
      name: `${group}${index === 0 ? '' : ', traced'}`,
      group,
      bytes: 0,
      run: () => work(merged),
    })),
  );
  return {
    cases,
    close: async () => {
      await tracer.stop();
      for (const { merged } of [plain!, traced!]) umount(merged);
      rmSync(base, { recursive: true, force: true });
    },
  };
}

function overlay(base: string, lower: string): { upper: string; work: string; merged: string } {
  const directories = { upper: join(base, 'upper'), work: join(base, 'work'), merged: join(base, 'merged') };
  for (const directory of Object.values(directories)) mkdirSync(directory, { recursive: true });
  const { upper, work, merged } = directories;
  const data = `index=off,metacopy=off,redirect_dir=off,lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  mount({ source: 'overlay', target: merged, type: 'overlay', data });
  return directories;
}
