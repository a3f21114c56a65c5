/** How far a check is: one line that is written over on a terminal, and nothing in a log. */
import type { FsckProgress } from '../../engine/fsck.js';
import { humanSize } from '../render/units.js';

export interface CheckProgress {
  readonly show: (progress: FsckProgress) => void;
  /** Takes the line away. */
  clear(): void;
}

export function checkProgress(stream: NodeJS.WriteStream): CheckProgress {
  if (!stream.isTTY || process.env.TERM === 'dumb') return { show: () => {}, clear: () => {} };
  const erase = '\r\x1b[K';
  return {
    show: (progress) => void stream.write(`${erase}${checkLine(progress)}`),
    clear: () => void stream.write(erase),
  };
}

/** "Checking: 3 of 12 layers, 120MB of 1.2GB" */
export const checkLine = ({ layersDone, layers, bytesDone, bytes }: FsckProgress): string =>
  `Checking: ${layersDone} of ${layers} layers, ${humanSize(bytesDone, 3)} of ${humanSize(bytes, 3)}`;
