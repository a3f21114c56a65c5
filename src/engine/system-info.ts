/** `docker info`, the part of it that exists here, under docker's field names. */
import { join } from 'node:path';
import { chooseDecompressors } from '../core/compress/backends.js';
import { calibrate } from '../core/digest/calibrate.js';
import { VERSION } from '../core/version.js';
import type { ContainerUse } from './container-use.js';
import { fileSystemOf, findProgram, knownBad, readHost } from './host.js';
import type { Store } from './store.js';

/** Reads the machine and the store. Measures the hash back-ends when that was not done on this machine (8 ms). */
export async function systemInfo(store: Store, containers: readonly ContainerUse[]) {
  const host = readHost();
  const running = containers.filter((container) => container.running).length;
  const runtimes = ['crun', 'runc'].flatMap((name) => findProgram(name) ?? []);
  const conmon = findProgram('conmon');
  const decompressors = await chooseDecompressors();
  const hash = await calibrate(join(store.root, 'gantry', 'hash.json'));
  return {
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: containers.length - running,
    Images: store.images.list().length,
    ServerVersion: VERSION,
    Driver: store.driver.name,
    DriverStatus: [['Backing Filesystem', fileSystemOf(store.root)]],
    CgroupDriver: 'cgroupfs',
    CgroupVersion: String(host.cgroup.version),
    Runtimes: Object.fromEntries(runtimes.map(({ name, path, version }) => [name, { path, version }])),
    DefaultRuntime: runtimes[0]?.name ?? '',
    ConmonVersion: conmon?.version ?? '',
    KernelVersion: host.kernel,
    OperatingSystem: host.operatingSystem,
    OSType: 'linux',
    Architecture: host.architecture,
    NCPU: host.cpus,
    MemTotal: host.memory,
    Name: host.name,
    DockerRootDir: store.root,
    Hash: {
      Backend: hash.wasm > hash.native ? 'wasm' : 'native',
      WasmMBPerSecond: hash.wasm,
      NativeMBPerSecond: hash.native,
    },
    Decompressors: { Gzip: decompressors.gzip, Zstd: decompressors.zstd ?? 'none' },
    Warnings:
      runtimes.length === 0
        ? ['no OCI runtime found']
        : runtimes.flatMap((program) => knownBad(program) ?? []),
  };
}

export type SystemInfo = Awaited<ReturnType<typeof systemInfo>>;
