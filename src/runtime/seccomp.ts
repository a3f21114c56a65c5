/**
 * Seccomp profiles in Docker's form to the OCI form. A rule of the former has conditions:
 *
 *   {"names":["mount",…],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"],"arches":[…],"minKernel":"4.8"}}
 *
 * `includes` holds when every capability is held, the architecture is one of those, and the kernel is new enough;
 * `excludes` when any of them is. What is left is the same rule without conditions.
 */
import * as v from 'valibot';
import { invalid } from './flags/invalid.js';
import type { SeccompSpec } from './oci-spec.js';

const conditionSchema = v.optional(
  v.nullable(
    v.object({
      caps: v.optional(v.nullable(v.array(v.string()))),
      arches: v.optional(v.nullable(v.array(v.string()))),
      minKernel: v.optional(v.string()),
    }),
  ),
);
type Condition = v.InferOutput<typeof conditionSchema>;

const profileSchema = v.object({
  defaultAction: v.string(),
  defaultErrnoRet: v.optional(v.number()),
  architectures: v.optional(v.nullable(v.array(v.string()))),
  archMap: v.optional(
    v.nullable(
      v.array(v.object({ architecture: v.string(), subArchitectures: v.nullable(v.array(v.string())) })),
    ),
  ),
  syscalls: v.optional(
    v.nullable(
      v.array(
        v.object({
          name: v.optional(v.string()),
          names: v.optional(v.nullable(v.array(v.string()))),
          action: v.string(),
          errnoRet: v.optional(v.number()),
          args: v.optional(
            v.nullable(
              v.array(
                v.object({
                  index: v.number(),
                  value: v.number(),
                  valueTwo: v.optional(v.number()),
                  op: v.string(),
                }),
              ),
            ),
          ),
          includes: conditionSchema,
          excludes: conditionSchema,
        }),
      ),
    ),
  ),
});

export interface SeccompHost {
  readonly capabilities: readonly string[];
  /** As Node names it: `x64`, `arm64`, `s390x`… */
  readonly arch: string;
  /** `uname -r`. */
  readonly kernel: string;
}

const NAMES: Readonly<Record<string, readonly [go: string, scmp: string]>> = {
  x64: ['amd64', 'SCMP_ARCH_X86_64'],
  arm64: ['arm64', 'SCMP_ARCH_AARCH64'],
  arm: ['arm', 'SCMP_ARCH_ARM'],
  ia32: ['x86', 'SCMP_ARCH_X86'],
  ppc64: ['ppc64le', 'SCMP_ARCH_PPC64LE'],
  s390x: ['s390x', 'SCMP_ARCH_S390X'],
  riscv64: ['riscv64', 'SCMP_ARCH_RISCV64'],
};

function kernelAtLeast(kernel: string, least: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

/** The profile for this container. Throws ERR_INVALID_ARGUMENT for a text that is not a profile. */
export function resolveSeccomp(profile: unknown, host: SeccompHost): SeccompSpec {
  const parsed = v.safeParse(profileSchema, profile);
  if (!parsed.success) {
    throw invalid(
      `decoding seccomp profile failed: ${v.getDotPath(parsed.issues[0])}: ${parsed.issues[0].message}`,
    );
  }
  const { defaultAction, defaultErrnoRet, architectures, archMap, syscalls } = parsed.output;
  const [arch, scmp] = NAMES[host.arch] ?? [host.arch, ''];
  const holds = (one: Condition, all: boolean): boolean => {
    const checks: boolean[] = [];
    const caps = (one?.caps ?? []).map((cap) => host.capabilities.includes(cap));
    if (caps.length > 0) checks.push(all ? caps.every(Boolean) : caps.some(Boolean));
    if (one?.arches?.length) checks.push(one.arches.includes(arch));
    if (one?.minKernel) checks.push(kernelAtLeast(host.kernel, one.minKernel));
    return all ? checks.every(Boolean) : checks.some(Boolean);
  };
  const mapped = archMap?.find((entry) => entry.architecture === scmp);
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: architectures ?? (mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : []),
    syscalls: (syscalls ?? [])
      .filter((rule) => holds(rule.includes, true) && !holds(rule.excludes, false))
      .map(({ name, names, action, errnoRet, args }) => ({
        names: names ?? (name === undefined ? [] : [name]),
        action,
        ...(errnoRet === undefined ? {} : { errnoRet }),
        ...(args?.length ? { args } : {}),
      })),
  };
}
