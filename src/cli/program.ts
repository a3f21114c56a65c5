/**
 * The command tree. Each command's file makes it; engine code is loaded by the action that needs it, so `--version`
 * and `--help` load this tree alone.
 */
import { type Command, Option } from 'commander';
import { VERSION } from '../core/version.js';
import { command, group, named, withBooleanForms } from './command.js';
import { commandName } from './command-name.js';
import { attachCommand } from './commands/attach.js';
import { cleanupCommand } from './commands/cleanup.js';
import { commitCommand } from './commands/commit.js';
import { convertCommand } from './commands/convert.js';
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
import { importCommand } from './commands/import.js';
import { infoCommand } from './commands/info.js';
import { containerInspectCommand, imageInspectCommand, inspectCommand } from './commands/inspect.js';
import { loadCommand } from './commands/load.js';
import { loginCommand, logoutCommand } from './commands/login.js';
import { logsCommand } from './commands/logs.js';
import { networkCommand } from './commands/network.js';
import { pauseCommand, renameCommand, unpauseCommand, waitCommand } from './commands/pause.js';
import { portCommand } from './commands/port.js';
import { psCommand } from './commands/ps.js';
import { pullCommand } from './commands/pull.js';
import { pushCommand } from './commands/push.js';
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

type Make = (session: Session) => Command;

/** The commands that are found both at the top and under `container`. */
const LIFE_CYCLE: Readonly<Record<string, Make>> = {
  create: createCommand,
  commit: commitCommand,
  cp: cpCommand,
  diff: diffCommand,
  export: exportCommand,
  start: startCommand,
  stop: stopCommand,
  restart: restartCommand,
  kill: killCommand,
  pause: pauseCommand,
  unpause: unpauseCommand,
  wait: waitCommand,
  rename: renameCommand,
  update: updateCommand,
  logs: logsCommand,
  port: portCommand,
  attach: attachCommand,
  exec: execCommand,
  top: topCommand,
  stats: statsCommand,
};

const COMMANDS: Readonly<Record<string, Make>> = {
  pull: pullCommand,
  push: pushCommand,
  images: imagesCommand,
  inspect: inspectCommand,
  history: historyCommand,
  tag: tagCommand,
  save: saveCommand,
  load: loadCommand,
  import: importCommand,
  convert: convertCommand,
  rmi: rmiCommand,
  run: runCommand,
  ps: psCommand,
  ...LIFE_CYCLE,
  rm: rmCommand,
  events: eventsCommand,
  login: loginCommand,
  logout: logoutCommand,
  info: infoCommand,
  version: versionCommand,
  image: (session) =>
    group('image', 'Manage images', [
      pullCommand(session),
      pushCommand(session),
      named(imagesCommand(session), 'ls').alias('list'),
      imageInspectCommand(session),
      historyCommand(session),
      tagCommand(session),
      saveCommand(session),
      loadCommand(session),
      importCommand(session),
      convertCommand(session),
      named(rmiCommand(session), 'rm').alias('remove'),
      imagePruneCommand(session),
    ]),
  container: (session) =>
    group('container', 'Manage containers', [
      runCommand(session),
      ...Object.values(LIFE_CYCLE).map((make) => make(session)),
      named(psCommand(session), 'ls').alias('list').alias('ps'),
      containerInspectCommand(session),
      rmCommand(session).alias('remove'),
      containerPruneCommand(session),
    ])
      .addCommand(cleanupCommand(session), { hidden: true })
      .addCommand(healthMonitorCommand(session), { hidden: true }),
  volume: volumeCommand,
  network: networkCommand,
  copyup: (session) =>
    group('copyup', 'Know and spare the cost of copy-up', [
      benchCommand(session),
      copyUpReportCommand(session),
      profileCommand(session),
      warmCommand(session),
    ]),
  registry: (session) => group('registry', 'Hand images around', [serveCommand(session)]),
  system: (session) =>
    group('system', 'Manage gantry', [
      dfCommand(session),
      eventsCommand(session),
      pruneCommand(session),
      checkCommand(session),
      fsckCommand(session),
      infoCommand(session),
    ]),
};

/**
 * The tree for a command line. Where it names a command that is all that is made, since making the whole takes longer than most commands
 * themselves; for help, and to say what is wrong, the tree is whole.
 */
export function program(session: Session, args: readonly string[] = []): Command {
  const made = command('gantry', 'Container image and runtime engine', '[OPTIONS] COMMAND')
    .version(`gantry version ${VERSION}`, '-v, --version', 'Print version information and quit')
    .addOption(new Option('--root <dir>', 'Root of the store').env('GANTRY_ROOT').default(DEFAULT_ROOT))
    .option('-D, --debug', 'Show stacks and codes of errors')
    .hook('preAction', () => {
      const { root, debug } = made.opts<{ root: string; debug?: boolean }>();
      session.root = root;
      session.debug = debug === true;
    });
  const { name } = commandName(args);
  const asked = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  for (const make of asked === undefined ? Object.values(COMMANDS) : [asked]) made.addCommand(make(session));
  return args.some((word) => /^--[a-z-]+=(true|false)$/.test(word)) ? withBooleanForms(made) : made;
}
