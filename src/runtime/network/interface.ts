/**
 * The few network ioctls that no plugin does for us (linux/sockios.h): an interface up or down, a bridge away, a
 * default route. They act in the network namespace of the calling thread.
 *
 *   struct ifreq: name 16 bytes, then the flags (short)
 *   struct rtentry (linux/route.h, 64 bits): pad 8, destination, gateway and mask as sockaddr_in of 16 bytes, flags (short)
 */
import { closeSync } from 'node:fs';
import { bind, check, E, errno } from '../../core/fsops/libc.js';

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCBRDELBR = 0x89a1;
const SIOCADDRT = 0x890b;
const RTF_UP_GATEWAY = 1 | 2;
const IFF_UP = 1;

const socket = bind<(family: number, type: number, protocol: number) => number>('int socket(int, int, int)');
const ioctl = bind<(fd: number, request: number, argument: Uint8Array) => number>(
  'int ioctl(int, unsigned long, void*)',
);

function withSocket<T>(act: (fd: number) => T): T {
  const fd = check(socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), 'socket', 'AF_INET');
  try {
    return act(fd);
  } finally {
    closeSync(fd);
  }
}

function request(name: string): Buffer {
  const ifreq = Buffer.alloc(40);
  ifreq.write(name, 0, 15, 'latin1');
  return ifreq;
}

/** ERR_SYSCALL, for one that is not there with ENODEV. */
export function setInterface(name: string, state: 'up' | 'down'): void {
  withSocket((fd) => {
    const ifreq = request(name);
    check(ioctl(fd, SIOCGIFFLAGS, ifreq), 'ioctl SIOCGIFFLAGS', name);
    const flags = ifreq.readUInt16LE(16);
    ifreq.writeUInt16LE(state === 'up' ? flags | IFF_UP : flags & ~IFF_UP, 16);
    check(ioctl(fd, SIOCSIFFLAGS, ifreq), 'ioctl SIOCSIFFLAGS', name);
  });
}

/** By an IPv4 gateway; nothing changes where there is one. */
export function addDefaultRoute(gateway: string): void {
  const rtentry = Buffer.alloc(120);
  for (const sockaddr of [8, 24, 40]) rtentry.writeUInt16LE(AF_INET, sockaddr);
  rtentry.set(gateway.split('.').map(Number), 24 + 4);
  rtentry.writeUInt16LE(RTF_UP_GATEWAY, 56);
  withSocket((fd) => {
    const done = ioctl(fd, SIOCADDRT, rtentry);
    if (done < 0 && errno() === E.EEXIST) return;
    check(done, 'ioctl SIOCADDRT', gateway);
  });
}

/** Does nothing when there is no such bridge. */
export function deleteBridge(name: string): void {
  withSocket((fd) => {
    if (ioctl(fd, SIOCGIFFLAGS, request(name)) < 0 && errno() === E.ENODEV) return;
    setInterface(name, 'down');
    check(ioctl(fd, SIOCBRDELBR, request(name)), 'ioctl SIOCBRDELBR', name);
  });
}
