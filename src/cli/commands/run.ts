/**
 * `gantry run [OPTIONS] IMAGE [COMMAND] [ARG...]`: docker's flags; their values are read by src/runtime/flags. Flags end
 * at the image. The exit status is the container's, or 125, 126, 127 when its command did not run.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type Command, Option } from 'commander';
import type { ImageID } from '../../core/digest/digest.js';
import { isGantryError } from '../../core/errors.js';
import type { Store } from '../../engine/store.js';
import type { RunFlags } from '../../runtime/run-flags.js';
import { command, oneOf, repeated } from '../command.js';
import { foreground, withStartExitCode } from '../foreground.js';
import { openSessionStore, type Session } from '../session.js';

interface Flags extends RunFlags {
  readonly pull: string;
  readonly platform?: string;
  readonly quiet?: boolean;
  readonly sigProxy: boolean;
  readonly net?: string;
}

const TEXT: readonly (readonly [string, string])[] = [
  ['--cpus <decimal>', 'Number of CPUs'],
  ['-c, --cpu-shares <int>', 'CPU shares (relative weight)'],
  ['--cpuset-cpus <string>', 'CPUs in which to allow execution (0-3, 0,1)'],
  ['--cpuset-mems <string>', 'MEMs in which to allow execution (0-3, 0,1)'],
  ['--entrypoint <string>', 'Overwrite the default ENTRYPOINT of the image'],
  ['-h, --hostname <string>', 'Container host name'],
  ['-m, --memory <bytes>', 'Memory limit'],
  ['--memory-reservation <bytes>', 'Memory soft limit'],
  ['--memory-swap <bytes>', "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"],
  ['--name <string>', 'Assign a name to the container'],
  ['--network <network>', 'Connect a container to a network: none (default) or host'],
  ['--pids-limit <int>', 'Tune container pids limit (set -1 for unlimited)'],
  ['--platform <string>', 'Platform as os/arch[/variant] if the image has several'],
  ['--runtime <string>', 'Runtime to use for this container: crun, runc or a path'],
  ['--shm-size <bytes>', 'Size of /dev/shm'],
  ['--stop-signal <string>', 'Signal to stop the container'],
  ['--stop-timeout <int>', 'Timeout (in seconds) to stop a container'],
  ['-u, --user <string>', 'Username or UID (format: <name|uid>[:<group|gid>])'],
  ['-w, --workdir <string>', 'Working directory inside the container'],
];

const LISTS: readonly (readonly [string, string])[] = [
  ['--add-host <list>', 'Add a custom host-to-IP mapping (host:ip)'],
  ['--annotation <map>', 'Add an annotation to the container (passed through to the OCI runtime)'],
  ['--cap-add <list>', 'Add Linux capabilities'],
  ['--cap-drop <list>', 'Drop Linux capabilities'],
  ['-e, --env <list>', 'Set environment variables'],
  ['--env-file <list>', 'Read in a file of environment variables'],
  ['--group-add <list>', 'Add additional groups to join'],
  ['-l, --label <list>', 'Set meta data on a container'],
  ['--label-file <list>', 'Read in a line delimited file of labels'],
  ['--mount <mount>', 'Attach a filesystem mount to the container'],
  ['--security-opt <list>', 'Security Options'],
  ['--tmpfs <list>', 'Mount a tmpfs directory'],
  ['--ulimit <ulimit>', 'Ulimit options'],
  ['-v, --volume <list>', 'Bind mount a volume'],
];

const SWITCHES: readonly (readonly [string, string])[] = [
  ['--init', 'Run an init inside the container that forwards signals and reaps processes'],
  ['-i, --interactive', 'Keep STDIN open even if not attached'],
  ['--privileged', 'Give extended privileges to this container'],
  ['-q, --quiet', 'Suppress the pull output'],
  ['--read-only', "Mount the container's root filesystem as read only"],
  ['--rm', 'Automatically remove the container and its associated anonymous volumes when it exits'],
  ['-t, --tty', 'Allocate a pseudo-TTY'],
];

export function runCommand(session: Session): Command {
  const made = command(
    'run',
    'Create and run a new container from an image',
    '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  )
    .argument('<IMAGE>')
    .argument('[COMMAND...]')
    .passThroughOptions()
    .option('--pull <string>', 'Pull image before running ("always", "missing", "never")', 'missing')
    .option('--sig-proxy', 'Proxy received signals to the process', true)
    .addOption(new Option('--net <network>').hideHelp());
  for (const [flags, description] of [...TEXT, ...SWITCHES]) made.option(flags, description);
  for (const [flags, description] of LISTS) made.addOption(repeated(flags, description));
  return made.action((image: string, words: string[], flags: Flags) =>
    withStartExitCode(session, () => run(session, image, words, flags)),
  );
}

async function run(session: Session, image: string, words: string[], flags: Flags): Promise<number> {
  const policy = oneOf(flags.pull, ['always', 'missing', 'never'], 'pull option');
  const { createRequest } = await import('../../runtime/flags/request.js');
  const { runContainer } = await import('../../engine/run.js');
  const network = flags.network ?? flags.net;
  const request = createRequest({ ...flags, ...(network === undefined ? {} : { network }) }, image, words, {
    env: process.env,
    cwd: process.cwd(),
    cpuCount: cpus().length,
    readFile: (path) => readFileSync(path, 'utf8'),
  });
  const store = await openSessionStore(session);
  const id = await imageToRun(session, store, image, policy, flags);
  const { config } = store.images.get(id)!;
  return runContainer(store, { id, config }, request, {
    ...foreground(session),
    signalProxy: flags.sigProxy,
  });
}

/** The pull is shown on stderr: stdout is the container's. */
async function imageToRun(
  session: Session,
  store: Store,
  image: string,
  policy: 'always' | 'missing' | 'never',
  flags: Flags,
): Promise<ImageID> {
  const { resolveImage } = await import('../../engine/image-index.js');
  const { familiarString, parseReference, withDefaultTag } = await import('../../registry/reference.js');
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
  const { pull } = await import('../../engine/pull.js');
  const { createProgress, silent } = await import('../progress/create.js');
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
