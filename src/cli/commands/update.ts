/** `gantry update [OPTIONS] CONTAINER [CONTAINER...]`: limits and restart policy. */
import type { Command } from 'commander';
import type { LimitChanges } from '../../engine/update-container.js';
import type { RunFlags } from '../../runtime/run-flags.js';
import { command } from '../command.js';
import { eachName } from '../each-name.js';
import { openSessionStore, type Session } from '../session.js';

export const updateCommand = (session: Session): Command =>
  command('update', 'Update configuration of one or more containers', '[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<CONTAINER...>')
    .option('--cpu-period <int>', 'Limit CPU CFS (Completely Fair Scheduler) period')
    .option('--cpu-quota <int>', 'Limit CPU CFS (Completely Fair Scheduler) quota')
    .option('--cpus <decimal>', 'Number of CPUs')
    .option('-c, --cpu-shares <int>', 'CPU shares (relative weight)')
    .option('--cpuset-cpus <string>', 'CPUs in which to allow execution (0-3, 0,1)')
    .option('--cpuset-mems <string>', 'MEMs in which to allow execution (0-3, 0,1)')
    .option('-m, --memory <bytes>', 'Memory limit')
    .option('--memory-reservation <bytes>', 'Memory soft limit')
    .option('--memory-swap <bytes>', "Swap limit equal to memory plus swap: '-1' to enable unlimited swap")
    .option('--pids-limit <int>', 'Tune container pids limit (set -1 for unlimited)')
    .option('--restart <string>', 'Restart policy to apply when a container exits')
    .action(async (names: string[], flags: RunFlags) => {
      const { updateContainer } = await import('../../engine/update-container.js');
      const changes = await changesOf(flags);
      const store = await openSessionStore(session);
      await eachName(session, names, async (name) => {
        for (const warning of await updateContainer(store, name, changes))
          session.err(`WARNING: ${warning}\n`);
        return name;
      });
    });

/** Only what was given: the rest stays as it is. */
async function changesOf(flags: RunFlags): Promise<LimitChanges> {
  const { givenLimits } = await import('../../runtime/flags/resources.js');
  const { parseRestartPolicy } = await import('../../runtime/restart-policy.js');
  return {
    ...givenLimits(flags),
    ...(flags.restart === undefined ? {} : { RestartPolicy: parseRestartPolicy(flags.restart) }),
  };
}
