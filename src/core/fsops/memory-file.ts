/**
 * memfd_create(2): where a command writes what it has to say. Unlike a pipe it takes any amount without a reader, and
 * what is there can be read at the command's end, whoever still holds it open.
 */
import { fstatSync, readSync } from 'node:fs';
import { bind, check, E, errno } from './libc.js';

const MFD_CLOEXEC = 1;
/** Linux 6.3; a host may refuse files without it (sysctl vm.memfd_noexec). */
const MFD_NOEXEC_SEAL = 8;

const create = bind<(name: string, flags: number) => number>('int memfd_create(const char*, unsigned int)');

/** Closes on exec; `name` is for who looks into /proc. */
export function memoryFile(name: string): number {
  const fd = create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno() === E.EINVAL) return check(create(name, MFD_CLOEXEC), 'memfd_create', name);
  return check(fd, 'memfd_create', name);
}

export function textOf(fd: number): string {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
}
