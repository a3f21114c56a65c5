/**
 * Compiled seccomp filters. libseccomp needs 25 ms for Docker's profile, two thirds of `crun create`; crun leaves the
 * program that it made in the container's state, and takes a ready one as an annotation (base64):
 *
 *   /run/gantry/<store>/crun/<id>/seccomp.bpf ─► /run/gantry/<store>/crun-seccomp/<sha256 hex> ─► run.oci.seccomp_bpf_data
 *
 * The name is the hash of the profile and of the runtime's file, so that no program serves another profile or another
 * runtime; it is gone with the boot. The profile itself stays in the bundle: a crun that does not know the annotation
 * compiles it, and runc ignores it and always does.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode } from '../core/errors.js';
import type { OciRuntime } from './oci-runtime.js';
import type { RuntimeSpec } from './oci-spec.js';

const ANNOTATION = 'run.oci.seccomp_bpf_data';
/** In the bundle, while there is no program yet: where it is to be kept. */
const WANTED = 'seccomp-wanted';

/** The specification with the program for its profile, if one was kept; else what `keepSeccomp` needs, in the bundle. */
export function withCompiledSeccomp(spec: RuntimeSpec, runtime: OciRuntime, bundle: string): RuntimeSpec {
  const profile = spec.linux.seccomp;
  if (profile === undefined || spec.annotations[ANNOTATION] !== undefined) return spec;
  if (!runtime.name.includes('crun')) return spec;
  const { size, mtimeMs } = statSync(runtime.path);
  const name = createHash('sha256').update(JSON.stringify([profile, runtime.path, size, mtimeMs]));
  const kept = join(`${runtime.state}-seccomp`, name.digest('hex'));
  const program = read(kept);
  if (program === undefined) {
    writeFileSync(join(bundle, WANTED), kept, { mode: 0o600 });
    return spec;
  }
  return { ...spec, annotations: { ...spec.annotations, [ANNOTATION]: program.toString('base64') } };
}

/** Keeps what the runtime compiled. To be called once the container is created. */
export function keepSeccomp(runtime: OciRuntime, id: string, bundle: string): void {
  const kept = read(join(bundle, WANTED))?.toString();
  const program = kept === undefined ? undefined : read(join(runtime.state, id, 'seccomp.bpf'));
  if (kept === undefined || program === undefined || program.length === 0) return;
  mkdirSync(dirname(kept), { recursive: true, mode: 0o700 });
  writeFileAtomic(kept, program);
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
