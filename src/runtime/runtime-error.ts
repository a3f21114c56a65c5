/**
 * What crun and runc say when a container does not start, in Docker's words: the Docker CLI and scripts decide the exit
 * code (127, 126, 125) by this text.
 *
 *   crun   executable file `x` not found in $PATH: No such file or directory
 *          open executable: Permission denied
 *   runc   time="…" level=error msg="runc create failed: unable to start container process: exec: \"x\": …"
 */
import { GantryError, isGantryError } from '../core/errors.js';

function plain(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines
    .map((line) => {
      const logged = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
      return logged === undefined ? line : logged.replace(/\\(.)/g, '$1');
    })
    .join('; ')
    .replace(/^runc \w+ failed: /, '');
}

/** The error of a failed `create`, `start` or `exec`; `command` is the first word that was to be executed. */
export function runtimeError(
  stderr: string,
  command: string,
  cwd: string,
  action: 'create' | 'exec' = 'create',
): GantryError {
  const text = plain(stderr);
  const failed = `OCI runtime ${action} failed`;
  const missing =
    /executable file .* not found in \$PATH|exec: .*no such file or directory|exec: .*executable file not found/i;
  if (missing.test(text)) {
    const why = command.includes('/')
      ? `stat ${command}: no such file or directory`
      : 'executable file not found in $PATH';
    return new GantryError('ERR_COMMAND_NOT_FOUND', `${failed}: exec: ${JSON.stringify(command)}: ${why}`);
  }
  if (/open executable: |exec: .*(permission denied|is a directory)/i.test(text)) {
    return new GantryError(
      'ERR_COMMAND_NOT_EXECUTABLE',
      `${failed}: exec: ${JSON.stringify(command)}: permission denied`,
    );
  }
  if (/chdir|cwd|mkdir .*: (not a directory|file exists)/i.test(text)) {
    return new GantryError(
      'ERR_COMMAND_NOT_EXECUTABLE',
      `${failed}: cannot use working directory ${JSON.stringify(cwd)}: ${text}`,
    );
  }
  return new GantryError('ERR_RUNTIME', `${failed}: ${text || 'no reason given'}`);
}

/** Docker's exit code of `run` for an error on the way to the process: 127, 126, or 125 for the engine's own. */
export function startExitCode(error: unknown): 125 | 126 | 127 {
  if (isGantryError(error, 'ERR_COMMAND_NOT_FOUND')) return 127;
  return isGantryError(error, 'ERR_COMMAND_NOT_EXECUTABLE') ? 126 : 125;
}
