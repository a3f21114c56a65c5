/** `gantry system fsck`: exit status 0 for a store that is sound (or was repaired), 1 when something is wrong with it. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

interface FsckFlags {
  readonly deep?: boolean;
  readonly repair?: boolean;
  readonly json?: boolean;
}

export const fsckCommand = (session: Session): Command =>
  command(
    'fsck',
    'Check every file of the store against what was pulled; exit status 1 when something is wrong',
  )
    .option('--deep', "Also rebuild each layer's tar and compare its digest")
    .option('--repair', 'Mend what can be mended, fetch damaged layers again, remove leftovers')
    .option('--json', 'The report as JSON')
    .action(async (flags: FsckFlags) => {
      const { fsck } = await import('../../engine/fsck.js');
      const { checkProgress } = await import('../progress/check.js');
      const { createProgress } = await import('../progress/create.js');
      const { renderFsck } = await import('../render/fsck.js');
      const checking = checkProgress(process.stderr);
      const fetching = await createProgress(session, 'auto', process.stderr);
      try {
        const report = await fsck(await openSessionStore(session), {
          deep: flags.deep === true,
          repair: flags.repair === true,
          signal: session.signal,
          onProgress: checking.show,
          onFetch: (event) => {
            checking.clear();
            fetching.event(event);
          },
        });
        checking.clear();
        session.out(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : renderFsck(report));
        if (report.problems.some(({ repaired }) => !repaired)) session.exitCode = 1;
      } finally {
        checking.clear();
        fetching.stop();
      }
    });
