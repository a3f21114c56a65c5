/**
 * The bundle of a container that is running or being started:
 *
 *   /run/gantry/<store>/bundles/<id>/config.json   0600
 *                                    runtime       the OCI runtime's path: who cleans up after a kill must ask the same
 *                                    seccomp-wanted  see compiled-seccomp.ts
 *                                    pid, console  the runtime's pid file; the terminal's socket, while it is made
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerID } from '../core/ids.js';
import { specText } from './bundle.js';
import { withCompiledSeccomp } from './compiled-seccomp.js';
import { runDirectory } from './host-facts.js';
import type { OciRuntime } from './oci-runtime.js';
import type { RuntimeSpec } from './oci-spec.js';

export const bundleDirectory = (root: string, id: ContainerID): string =>
  join(runDirectory(root), 'bundles', id);

/**
 * An empty one, before anything else is done for a start, and taken away after all else: while it is there a container
 * whose record does not run has left something.
 */
export function freshBundle(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}

/** Fills a fresh one. */
export function writeBundle(directory: string, spec: RuntimeSpec, runtime: OciRuntime): void {
  writeFileSync(join(directory, 'runtime'), runtime.path, { mode: 0o600 });
  writeFileSync(join(directory, 'config.json'), specText(withCompiledSeccomp(spec, runtime, directory)), {
    mode: 0o600,
  });
}

/** The runtime that was given the bundle; undefined when there is none. */
export function bundleRuntime(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, 'runtime'), 'utf8') || undefined;
  } catch {
    return undefined;
  }
}
