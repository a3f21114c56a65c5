/**
 * The command tree. Each command's file makes it; engine code is loaded by the action that needs it, so `--version`
 * and `--help` load this tree alone.
 */
import { type Command, Option } from 'commander';
import { VERSION } from '../core/version.js';
import { command, group, named, withBooleanForms } from './command.js';
import { attachCommand } from './commands/attach.js';
import { cleanupCommand } from './commands/cleanup.js';
import { commitCommand } from './commands/commit.js';
import { benchCommand } from './commands/copyup-bench.js';
import { profileCommand } from './commands/copyup-profile.js';
import { copyUpReportCommand } from './commands/copyup-report.js';
import { warmCommand } from './commands/copyup-warm.js';
import { cpCommand } from './commands/cp.js';
import { createCommand } from './commands/create.js';
import { diffCommand } from './commands/diff.js';
import { eventsCommand } from './commands/events.js';
import { execCommand } from './commands/exec.js';
import { exportCommand } from './commands/export.js';
import { healthMonitorCommand } from './commands/health-monitor.js';
import { historyCommand } from './commands/history.js';
import { imagesCommand } from './commands/images.js';
import { infoCommand } from './commands/info.js';
import { containerInspectCommand, imageInspectCommand, inspectCommand } from './commands/inspect.js';
import { loadCommand } from './commands/load.js';
import { logsCommand } from './commands/logs.js';
import { networkCommand } from './commands/network.js';
import { pauseCommand, renameCommand, unpauseCommand, waitCommand } from './commands/pause.js';
import { portCommand } from './commands/port.js';
import { psCommand } from './commands/ps.js';
import { pullCommand } from './commands/pull.js';
import { serveCommand } from './commands/registry-serve.js';
import { rmCommand } from './commands/rm.js';
import { rmiCommand } from './commands/rmi.js';
import { runCommand } from './commands/run.js';
import { saveCommand } from './commands/save.js';
import { startCommand } from './commands/start.js';
import { statsCommand } from './commands/stats.js';
import { killCommand, restartCommand, stopCommand } from './commands/stop.js';
import { checkCommand } from './commands/system-check.js';
import { dfCommand } from './commands/system-df.js';
import { fsckCommand } from './commands/system-fsck.js';
import { containerPruneCommand, imagePruneCommand, pruneCommand } from './commands/system-prune.js';
import { tagCommand } from './commands/tag.js';
import { topCommand } from './commands/top.js';
import { updateCommand } from './commands/update.js';
import { versionCommand } from './commands/version.js';
import { volumeCommand } from './commands/volume.js';
import { DEFAULT_ROOT, type Session } from './session.js';

/** The commands that are found both at the top and under `container`. */
const lifeCycle = (session: Session): Command[] => [
  createCommand(session),
  commitCommand(session),
  cpCommand(session),
  diffCommand(session),
  exportCommand(session),
  startCommand(session),
  stopCommand(session),
  restartCommand(session),
  killCommand(session),
  pauseCommand(session),
  unpauseCommand(session),
  waitCommand(session),
  renameCommand(session),
  updateCommand(session),
  logsCommand(session),
  portCommand(session),
  attachCommand(session),
  execCommand(session),
  topCommand(session),
  statsCommand(session),
];

export function program(session: Session): Command {
  const made = command('gantry', 'Container image and runtime engine', '[OPTIONS] COMMAND')
    .version(`gantry version ${VERSION}`, '-v, --version', 'Print version information and quit')
    .addOption(new Option('--root <dir>', 'Root of the store').env('GANTRY_ROOT').default(DEFAULT_ROOT))
    .option('-D, --debug', 'Show stacks and codes of errors')
    .hook('preAction', () => {
      const { root, debug } = made.opts<{ root: string; debug?: boolean }>();
      session.root = root;
      session.debug = debug === true;
    });
  const commands = [
    pullCommand(session),
    imagesCommand(session),
    inspectCommand(session),
    historyCommand(session),
    tagCommand(session),
    saveCommand(session),
    loadCommand(session),
    rmiCommand(session),
    runCommand(session),
    psCommand(session),
    ...lifeCycle(session),
    rmCommand(session),
    eventsCommand(session),
    infoCommand(session),
    versionCommand(session),
    group('image', 'Manage images', [
      pullCommand(session),
      named(imagesCommand(session), 'ls').alias('list'),
      imageInspectCommand(session),
      historyCommand(session),
      tagCommand(session),
      saveCommand(session),
      loadCommand(session),
      named(rmiCommand(session), 'rm').alias('remove'),
      imagePruneCommand(session),
    ]),
    group('container', 'Manage containers', [
      runCommand(session),
      ...lifeCycle(session),
      named(psCommand(session), 'ls').alias('list').alias('ps'),
      containerInspectCommand(session),
      rmCommand(session).alias('remove'),
      containerPruneCommand(session),
    ])
      .addCommand(cleanupCommand(session), { hidden: true })
      .addCommand(healthMonitorCommand(session), { hidden: true }),
    volumeCommand(session),
    networkCommand(session),
    group('copyup', 'Know and spare the cost of copy-up', [
      benchCommand(session),
      copyUpReportCommand(session),
      profileCommand(session),
      warmCommand(session),
    ]),
    group('registry', 'Hand images around', [serveCommand(session)]),
    group('system', 'Manage gantry', [
      dfCommand(session),
      eventsCommand(session),
      pruneCommand(session),
      checkCommand(session),
      fsckCommand(session),
      infoCommand(session),
    ]),
  ];
  for (const member of commands) made.addCommand(member);
  return withBooleanForms(made);
}
