/** A HostConfig with Docker's defaults under what a test sets. */
import type { HostConfig } from '../../src/runtime/create-request.js';

export const hostConfigOf = (own: Partial<HostConfig> = {}): HostConfig => ({
  NetworkMode: 'none',
  AutoRemove: false,
  Privileged: false,
  ReadonlyRootfs: false,
  Memory: 0,
  MemorySwap: 0,
  MemoryReservation: 0,
  NanoCpus: 0,
  CpuShares: 0,
  CpusetCpus: '',
  CpusetMems: '',
  ShmSize: 0,
  ...own,
});
