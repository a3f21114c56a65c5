/**
 * `gantry diff [OPTIONS] CONTAINER`: docker's lines; with --size what each holds in the write layer, directories with
 * all that is in them.
 *
 *   C /etc                         C   1.2kB     /etc
 *   A /etc/new                     A   1.2kB     /etc/new
 *   D /etc/old                     D   -         /etc/old
 *                                      1.2kB     total
 */
import type { Command } from 'commander';
import type { ContainerChanges, FileChange } from '../../engine/diff-container.js';
import { command } from '../command.js';
import { humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

const SIZE_WIDTH = 10;

export const diffCommand = (session: Session): Command =>
  command(
    'diff',
    "Inspect changes to files or directories on a container's filesystem",
    '[OPTIONS] CONTAINER',
  )
    .argument('<CONTAINER>')
    .option('-s, --size', 'Display the sizes of changed files, and of directories with what is in them')
    .action(async (container: string, flags: { readonly size?: boolean }) => {
      const { diffContainer } = await import('../../engine/diff-container.js');
      const found = await diffContainer(await openSessionStore(session), container);
      session.out(flags.size ? withSizes(found) : found.changes.map(plain).join(''));
    });

const plain = ({ kind, path }: FileChange): string => `${kind} ${path}\n`;

function withSizes({ changes, size }: ContainerChanges): string {
  const line = (kind: string, text: string, path: string): string =>
    `${kind.padEnd(4)}${text.padEnd(SIZE_WIDTH)}${path}\n`;
  const lines = changes.map(({ kind, path, size: bytes }) =>
    line(kind, kind === 'D' ? '-' : humanSize(bytes), path),
  );
  return `${lines.join('')}${line('', humanSize(size), 'total')}`;
}
