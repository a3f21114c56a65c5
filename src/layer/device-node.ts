/** Device nodes and FIFOs of a layer: mode and device number as mknod(2) takes them. */
import { S_IFBLK, S_IFCHR, S_IFIFO } from '../core/fsops/at.js';
import type { TarEntry } from '../core/tar/entry.js';
import { hostile } from './entry-path.js';

/** The mode that mknod takes: file type and permissions. */
export function nodeMode(entry: TarEntry): number {
  if (entry.type === 'fifo') return S_IFIFO | entry.mode;
  return (entry.type === 'char' ? S_IFCHR : S_IFBLK) | entry.mode;
}

/** dev_t as glibc's makedev packs it; 0 for a FIFO. ERR_LAYER_HOSTILE for numbers out of range and for a whiteout. */
export function device(entry: TarEntry): number {
  const { major, minor, type } = entry;
  if (type === 'fifo') return 0;
  if (!(major >= 0 && major < 2 ** 32 && minor >= 0 && minor < 2 ** 32))
    throw hostile('bad device number', entry.name);
  if (type === 'char' && major === 0 && minor === 0) {
    throw hostile('character device 0:0, which is a whiteout to overlayfs', entry.name);
  }
  const low = (major & 0xfff) * 2 ** 8 + (minor & 0xff) + Math.floor((minor & 0xffffff00) >>> 8) * 2 ** 20;
  return low + Math.floor(major / 2 ** 12) * 2 ** 44;
}
