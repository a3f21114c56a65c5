/** mount(2) and umount2(2), with the flags that gantry uses (sys/mount.h). */
import { bind, check } from './libc.js';

export const MS = { BIND: 0x1000, REC: 0x4000, SLAVE: 0x80000 } as const;
export const MNT_DETACH = 2;

const libc = {
  mount: bind<(s: string | null, t: string, f: string | null, flags: number, data: string | null) => number>(
    'int mount(const char*, const char*, const char*, unsigned long, const char*)',
  ),
  umount2: bind<(t: string, flags: number) => number>('int umount2(const char*, int)'),
};

export interface MountCall {
  readonly source: string | null;
  readonly target: string;
  readonly type?: string;
  readonly flags?: number;
  /** At most a page less one byte; the kernel cuts longer option strings (fs/namespace.c, copy_mount_options). */
  readonly data?: string;
}

/** Throws ERR_SYSCALL with the errno's name. */
export function mount(call: MountCall): void {
  const result = libc.mount(call.source, call.target, call.type ?? null, call.flags ?? 0, call.data ?? null);
  check(result, `mount ${call.type ?? ''}`.trimEnd(), call.target);
}

export function umount(target: string, flags = 0): void {
  check(libc.umount2(target, flags), 'umount', target);
}
