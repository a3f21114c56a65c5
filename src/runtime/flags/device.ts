/**
 * `--device` and `--device-cgroup-rule`, in docker's grammar:
 *
 *   --device /dev/fuse                      under the same path, rwm
 *   --device /dev/fuse:/dev/own             another path inside
 *   --device /dev/fuse:/dev/own:rw          r: read, w: write, m: mknod; the middle part may be left out
 *   --device-cgroup-rule 'c 42:* rmw'       only the permission, no node
 */
import type { DeviceMapping } from '../create-request.js';
import type { DeviceRule } from '../oci-spec.js';
import { invalid, invalidFlag } from './invalid.js';

const isMode = (text: string): boolean => /^[rwm]+$/.test(text) && new Set(text).size === text.length;

/** One `--device`. Whether it is there is seen at start. */
export function parseDevice(spec: string): DeviceMapping {
  const [PathOnHost = '', second, third, ...more] = spec.split(':');
  const bare = second !== undefined && third === undefined && isMode(second);
  const PathInContainer = (bare ? undefined : second) ?? PathOnHost;
  const CgroupPermissions = (bare ? second : third) ?? 'rwm';
  if (more.length > 0) throw invalid(`invalid device specification: ${spec}`);
  if (!isMode(CgroupPermissions))
    throw invalid(`invalid device mode: ${CgroupPermissions}`, `found in ${spec}`);
  for (const path of [PathOnHost, PathInContainer]) {
    if (!path.startsWith('/')) throw invalid(`bad format for path: ${spec}`, 'device paths are absolute');
  }
  return { PathOnHost, PathInContainer, CgroupPermissions };
}

const RULE = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/;

/** Checks one `--device-cgroup-rule`, which is kept as it is written. */
export function checkDeviceRule(rule: string): string {
  if (RULE.test(rule)) return rule;
  throw invalidFlag(rule, '--device-cgroup-rule', `invalid device cgroup format '${rule}'`);
}

/** The same for the OCI runtime; a `*` is left out there. */
export function deviceRule(rule: string): DeviceRule {
  const [, type = '', major = '', minor = '', access = ''] = RULE.exec(checkDeviceRule(rule))!;
  return {
    allow: true,
    type,
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}
