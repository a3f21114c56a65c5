/** `gantry attach [OPTIONS] CONTAINER`. The exit status is the container's, 0 after the detach keys. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { foreground } from '../foreground.js';
import { openSessionStore, type Session } from '../session.js';

interface AttachFlags {
  readonly detachKeys?: string;
  readonly stdin: boolean;
  readonly sigProxy: boolean;
}

export const attachCommand = (session: Session): Command =>
  command(
    'attach',
    'Attach local standard input, output, and error streams to a running container',
    '[OPTIONS] CONTAINER',
  )
    .argument('<CONTAINER>')
    .option('--detach-keys <string>', 'Override the key sequence for detaching a container')
    .option('--no-stdin', 'Do not attach STDIN')
    .option('--sig-proxy', 'Proxy all received signals to the process', true)
    .action(async (name: string, { detachKeys, stdin, sigProxy }: AttachFlags) => {
      const { attachContainer } = await import('../../engine/attach-container.js');
      const code = await attachContainer(await openSessionStore(session), name, {
        ...foreground(session),
        noStdin: !stdin,
        signalProxy: sigProxy,
        ...(detachKeys === undefined ? {} : { detachKeys }),
      });
      if (code === undefined) session.err('read escape sequence\n');
      session.exitCode = code ?? 0;
    });
