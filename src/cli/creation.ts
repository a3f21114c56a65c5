/**
 * What `run` and `create` share: docker's flags (their values are read by src/runtime/flags; they end at the image), the
 * image, pulled where it is missing, and the create request made of both.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type Command, Option } from 'commander';
import type { ImageID } from '../core/digest/digest.js';
import { isGantryError } from '../core/errors.js';
import type { ContainerImage } from '../engine/create-container.js';
import type { Store } from '../engine/store.js';
import type { CreateRequest } from '../runtime/create-request.js';
import type { RunFlags } from '../runtime/run-flags.js';
import { command, oneOf, repeated } from './command.js';
import { openSessionStore, type Session } from './session.js';

export interface CreationFlags extends RunFlags {
  readonly pull: string;
  readonly platform?: string;
  readonly quiet?: boolean;
  readonly net?: readonly string[];
}

const TEXT: readonly (readonly [string, string])[] = [
  ['--blkio-weight <uint16>', 'Block IO (relative weight), between 10 and 1000, or 0 to disable'],
  ['--cgroupns <string>', 'Cgroup namespace to use: host or private'],
  ['--cidfile <string>', 'Write the container ID to the file'],
  ['--cpu-period <int>', 'Limit CPU CFS (Completely Fair Scheduler) period'],
  ['--cpu-quota <int>', 'Limit CPU CFS (Completely Fair Scheduler) quota'],
  ['--cpus <decimal>', 'Number of CPUs'],
  ['-c, --cpu-shares <int>', 'CPU shares (relative weight)'],
  ['--cpuset-cpus <string>', 'CPUs in which to allow execution (0-3, 0,1)'],
  ['--cpuset-mems <string>', 'MEMs in which to allow execution (0-3, 0,1)'],
  ['--domainname <string>', 'Container NIS domain name'],
  ['--entrypoint <string>', 'Overwrite the default ENTRYPOINT of the image'],
  ['--health-cmd <string>', 'Command to run to check health'],
  ['--health-interval <duration>', 'Time between running the check (ms|s|m|h) (default 30s)'],
  ['--health-retries <int>', 'Consecutive failures needed to report unhealthy (default 3)'],
  [
    '--health-start-interval <duration>',
    'Time between running the check during the start period (default 5s)',
  ],
  [
    '--health-start-period <duration>',
    'Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)',
  ],
  ['--health-timeout <duration>', 'Maximum time to allow one check to run (ms|s|m|h) (default 30s)'],
  ['-h, --hostname <string>', 'Container host name'],
  ['--ip <string>', 'IPv4 address (e.g., 172.30.100.104)'],
  ['--ipc <string>', 'IPC mode to use: private, none or host'],
  ['--mac-address <string>', 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'],
  ['-m, --memory <bytes>', 'Memory limit'],
  ['--memory-reservation <bytes>', 'Memory soft limit'],
  ['--memory-swappiness <int>', 'Tune container memory swappiness (0 to 100; -1: as the host)'],
  ['--log-driver <string>', 'Logging driver for the container: json-file, journald or none'],
  ['--memory-swap <bytes>', "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"],
  ['--name <string>', 'Assign a name to the container'],
  ['--oom-score-adj <int>', "Tune host's OOM preferences (-1000 to 1000)"],
  ['--pid <string>', 'PID namespace to use: host'],
  ['--pids-limit <int>', 'Tune container pids limit (set -1 for unlimited)'],
  ['--platform <string>', 'Platform as os/arch[/variant] if the image has several'],
  ['--restart <string>', 'Restart policy to apply when a container exits'],
  ['--runtime <string>', 'Runtime to use for this container: crun, runc or a path'],
  ['--shm-size <bytes>', 'Size of /dev/shm'],
  ['--stats-on-exit <file>', 'Write what the container used, as JSON, to a file when it ends'],
  ['--stop-signal <string>', 'Signal to stop the container'],
  ['--stop-timeout <int>', 'Timeout (in seconds) to stop a container'],
  ['-u, --user <string>', 'Username or UID (format: <name|uid>[:<group|gid>])'],
  ['--userns <string>', 'User namespace to use: host'],
  ['--uts <string>', 'UTS namespace to use: host'],
  ['-w, --workdir <string>', 'Working directory inside the container'],
];

const LISTS: readonly (readonly [string, string])[] = [
  ['--add-host <list>', 'Add a custom host-to-IP mapping (host:ip, host:host-gateway)'],
  ['--annotation <map>', 'Add an annotation to the container (passed through to the OCI runtime)'],
  ['--blkio-weight-device <list>', 'Block IO weight (relative device weight)'],
  ['--cap-add <list>', 'Add Linux capabilities'],
  ['--cap-drop <list>', 'Drop Linux capabilities'],
  ['--device <list>', 'Add a host device to the container'],
  ['--device-cgroup-rule <list>', 'Add a rule to the cgroup allowed devices list'],
  ['--device-read-bps <list>', 'Limit read rate (bytes per second) from a device'],
  ['--device-read-iops <list>', 'Limit read rate (IO per second) from a device'],
  ['--device-write-bps <list>', 'Limit write rate (bytes per second) to a device'],
  ['--device-write-iops <list>', 'Limit write rate (IO per second) to a device'],
  ['--dns <list>', 'Set custom DNS servers'],
  ['--dns-option <list>', 'Set DNS options'],
  ['--dns-search <list>', 'Set custom DNS search domains'],
  ['-e, --env <list>', 'Set environment variables'],
  ['--env-file <list>', 'Read in a file of environment variables'],
  ['--expose <list>', 'Expose a port or a range of ports'],
  ['--group-add <list>', 'Add additional groups to join'],
  ['-l, --label <list>', 'Set meta data on a container'],
  ['--label-file <list>', 'Read in a line delimited file of labels'],
  ['--log-opt <list>', 'Log driver options: max-size=10m, max-file=3'],
  ['--mount <mount>', 'Attach a filesystem mount to the container'],
  [
    '--network <network>',
    'Connect a container to a network: bridge (the default unless GANTRY_DEFAULT_NETWORK is set), none, host or a name',
  ],
  ['--network-alias <list>', 'Add network-scoped alias for the container'],
  ['-p, --publish <list>', "Publish a container's port(s) to the host"],
  ['--security-opt <list>', 'Security Options'],
  ['--sysctl <map>', 'Sysctl options'],
  ['--tmpfs <list>', 'Mount a tmpfs directory'],
  ['--ulimit <ulimit>', 'Ulimit options'],
  ['-v, --volume <list>', 'Bind mount a volume'],
  ['--warm <path>', 'Copy files (a path or glob) up before the container starts'],
  ['--volumes-from <list>', 'Mount volumes from the specified container(s)'],
];

const SWITCHES: readonly (readonly [string, string])[] = [
  ['--init', 'Run an init inside the container that forwards signals and reaps processes'],
  ['-i, --interactive', 'Keep STDIN open even if not attached'],
  ['--oom-kill-disable', 'Disable OOM Killer'],
  ['--privileged', 'Give extended privileges to this container'],
  ['--no-healthcheck', 'Disable any container-specified HEALTHCHECK'],
  ['-P, --publish-all', 'Publish all exposed ports to random ports'],
  ['-q, --quiet', 'Suppress the pull output'],
  ['--read-only', "Mount the container's root filesystem as read only"],
  ['--rm', 'Automatically remove the container and its associated anonymous volumes when it exits'],
  ['-t, --tty', 'Allocate a pseudo-TTY'],
  ['--volatile', 'Never sync what the container writes (as --rm does); a crash of the machine loses it'],
];

/** A command that makes containers, with every flag but those of attaching. */
export function creationCommand(name: string, description: string, image = '<IMAGE>'): Command {
  const made = command(name, description, '[OPTIONS] IMAGE [COMMAND] [ARG...]')
    .argument(image)
    .argument('[COMMAND...]')
    .passThroughOptions()
    .option(
      '--pull <string>',
      `Pull image before ${name === 'create' ? 'creating' : 'running'} ("always", "missing", "never")`,
      'missing',
    )
    .addOption(repeated('--net <network>', '').hideHelp())
    .addOption(repeated('--link <list>', '').hideHelp())
    .addOption(new Option('--gpus <request>').hideHelp());
  for (const [flags, text] of [...TEXT, ...SWITCHES]) made.option(flags, text);
  for (const [flags, text] of LISTS) made.addOption(repeated(flags, text));
  return made;
}

export interface Creation {
  readonly store: Store;
  readonly image: ContainerImage;
  readonly request: CreateRequest;
}

export async function creation(
  session: Session,
  image: string,
  words: readonly string[],
  flags: CreationFlags,
): Promise<Creation> {
  const policy = oneOf(flags.pull, ['always', 'missing', 'never'], 'pull option');
  const { createRequest } = await import('../runtime/flags/request.js');
  const network = flags.network ?? flags.net;
  const request = createRequest({ ...flags, ...(network === undefined ? {} : { network }) }, image, words, {
    env: process.env,
    cwd: process.cwd(),
    cpuCount: cpus().length,
    defaultNetwork: process.env.GANTRY_DEFAULT_NETWORK || 'bridge',
    readFile: (path) => readFileSync(path, 'utf8'),
  });
  const store = await openSessionStore(session);
  const id = await imageToRun(session, store, image, policy, flags);
  return { store, image: { id, config: store.images.get(id)!.config }, request };
}

/** The pull is shown on stderr: stdout is the container's. */
async function imageToRun(
  session: Session,
  store: Store,
  image: string,
  policy: 'always' | 'missing' | 'never',
  flags: CreationFlags,
): Promise<ImageID> {
  const { resolveImage } = await import('../engine/image-index.js');
  const { familiarString, parseReference, withDefaultTag } = await import('../registry/reference.js');
  if (policy !== 'always') {
    try {
      return resolveImage(store, image);
    } catch (error) {
      if (policy === 'never' || !isGantryError(error, 'ERR_NOT_FOUND')) throw error;
    }
  }
  const reference = parseReference(image);
  if (policy === 'missing') {
    session.err(`Unable to find image '${familiarString(withDefaultTag(reference))}' locally\n`);
  }
  const { pull } = await import('../engine/pull.js');
  const { createProgress, silent } = await import('./progress/create.js');
  const progress = flags.quiet ? silent : await createProgress(session, 'auto', process.stderr);
  try {
    const [pulled] = await pull(store, [reference], {
      ...(flags.platform === undefined ? {} : { platform: flags.platform }),
      hash: 'auto',
      signal: session.signal,
      onEvent: progress.event,
    });
    return pulled!.imageID;
  } finally {
    progress.stop();
  }
}
