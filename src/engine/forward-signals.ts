/**
 * Docker's `--sig-proxy`: signals to this process go to the container's first process, which as pid 1 ignores those that
 * it has no handler for. Who sends SIGINT or SIGTERM three times means it: the container is killed then.
 */
import { constants } from 'node:os';

const FORWARDED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGCONT',
] as const;
const PATIENCE = 3;

/** `kill` takes a signal's number. Gives the way to stop forwarding. */
export function forwardSignals(kill: (signal: number) => void): () => void {
  let asked = 0;
  const forward = (name: NodeJS.Signals): void => {
    if (name === 'SIGINT' || name === 'SIGTERM') asked++;
    kill(constants.signals[asked >= PATIENCE ? 'SIGKILL' : name]);
  };
  for (const name of FORWARDED) process.on(name, forward);
  return () => {
    for (const name of FORWARDED) process.off(name, forward);
  };
}
