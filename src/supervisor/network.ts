/**
 * Bytes over the interfaces of a process's network namespace, without its loopback: /proc/<pid>/net/dev, two lines of
 * titles and then a line an interface, whose 1st and 9th numbers are bytes received and sent.
 *
 *     eth0:  1320   12  0  0  0  0  0  0   98  1  0  0  0  0  0  0
 */
import { KernelFile } from './kernel-file.js';
import { type KernelText, key } from './kernel-text.js';
import type { NetworkUse } from './sample.js';

const LOOPBACK = key('lo:');
const BETWEEN = 7;

export class Network {
  readonly #file: KernelFile;

  private constructor(file: KernelFile) {
    this.#file = file;
  }

  /** Undefined when the process is not there any more. */
  static open(path: string): Network | undefined {
    const file = KernelFile.open(path);
    return file && new Network(file);
  }

  /** Undefined when the process is not there any more. */
  read(text: KernelText): NetworkUse | undefined {
    if (!this.#file.read(text)) return undefined;
    let received = 0;
    let sent = 0;
    text.nextLine();
    text.nextLine();
    while (text.nextLine()) {
      text.nextWord();
      if (text.is(LOOPBACK)) continue;
      received += text.nextNumber();
      for (let word = 0; word < BETWEEN; word++) text.nextWord();
      sent += text.nextNumber();
    }
    return { received, sent };
  }

  close(): void {
    this.#file.close();
  }
}
