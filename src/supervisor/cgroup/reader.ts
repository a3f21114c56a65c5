/** A controller of one cgroup with its files open. */
import type { KernelText } from '../kernel-text.js';

export interface Reader<Use> {
  /** Undefined when the cgroup is gone: its normal end. ERR_UNSUPPORTED for a text that is not understood. */
  read(text: KernelText): Use | undefined;
  close(): void;
}
