/** Bytes on their way to a target: collected in its regions, each of which is hashed at one go when it is full. */
import type { OutputTarget } from './compress/inflater.js';
import type { Digest } from './digest/digest.js';
import type { Hasher } from './digest/hasher.js';
import { AddressCache } from './ffi.js';
import { at } from './fsops/at.js';
import { check, E, errno } from './fsops/libc.js';

export class HashedOutput {
  readonly #target: OutputTarget;
  readonly #hash: Hasher;
  readonly #addresses = new AddressCache();
  #region: Uint8Array | undefined;
  #fill = 0;
  #total = 0;

  /** The hasher is reset; the target's regions are fixed memory. */
  constructor(target: OutputTarget, hash: Hasher) {
    this.#target = target;
    this.#hash = hash;
    hash.reset();
  }

  /** Bytes so far. */
  get total(): number {
    return this.#total;
  }

  write(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; ) {
      const region = this.#open();
      const length = Math.min(bytes.length - from, region.length - this.#fill);
      bytes.copy(region, this.#fill, from, from + length);
      this.#filled(length);
      from += length;
    }
  }

  zeros(length: number): void {
    for (let left = length; left > 0; ) {
      const region = this.#open();
      const bytes = Math.min(left, region.length - this.#fill);
      region.fill(0, this.#fill, this.#fill + bytes);
      this.#filled(bytes);
      left -= bytes;
    }
  }

  /** Takes what a file has of [start, end) and returns how many bytes that was. */
  read(fd: number, start: number, end: number): number {
    for (let from = start; from < end; ) {
      const region = this.#open();
      const room = Math.min(end - from, region.length - this.#fill);
      const got = Number(at.pread(fd, this.#addresses.of(region) + this.#fill, room, from));
      if (got < 0 && errno() === E.EINTR) continue;
      if (check(got, 'read', `fd ${fd}`) === 0) return from - start;
      this.#filled(got);
      from += got;
    }
    return end - start;
  }

  /** Hands over what is left; the digest of all. */
  finish(): Digest {
    this.#hand();
    return this.#hash.digest();
  }

  #open(): Uint8Array {
    this.#region ??= this.#target.acquire();
    return this.#region;
  }

  #filled(length: number): void {
    this.#fill += length;
    this.#total += length;
    if (this.#fill === this.#region?.length) this.#hand();
  }

  #hand(): void {
    if (this.#region === undefined || this.#fill === 0) return;
    this.#hash.update(this.#region.subarray(0, this.#fill));
    this.#target.commit(this.#fill);
    this.#region = undefined;
    this.#fill = 0;
  }
}
