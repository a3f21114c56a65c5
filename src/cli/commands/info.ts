/** `gantry info`: docker's block of indented lines, the part that exists here. */
import { type Command, Option } from 'commander';
import type { SystemInfo } from '../../engine/system-info.js';
import { command } from '../command.js';
import { renderObject } from '../render/object.js';
import { bytesSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

export const infoCommand = (session: Session): Command =>
  command('info', 'Display system-wide information')
    .addOption(new Option('-f, --format <string>', "'json' or a Go template"))
    .action(async (flags: { format?: string }) => {
      const { systemInfo } = await import('../../engine/system-info.js');
      const { containerUses } = await import('../../engine/container-use.js');
      const store = await openSessionStore(session);
      const info = await systemInfo(store, await containerUses(store));
      session.out(flags.format ? renderObject(info, flags.format) : block(info));
      if (!flags.format) for (const warning of info.Warnings) session.err(`WARNING: ${warning}\n`);
    });

function block(info: SystemInfo): string {
  const runtimes = Object.entries(info.Runtimes).map(([name, { version }]) => `${name} ${version}`);
  const lines = [
    `Containers: ${info.Containers}`,
    ` Running: ${info.ContainersRunning}`,
    ` Paused: ${info.ContainersPaused}`,
    ` Stopped: ${info.ContainersStopped}`,
    `Images: ${info.Images}`,
    `Server Version: ${info.ServerVersion}`,
    `Storage Driver: ${info.Driver}`,
    ...info.DriverStatus.map(([name, value]) => ` ${name}: ${value}`),
    `Cgroup Driver: ${info.CgroupDriver}`,
    `Cgroup Version: ${info.CgroupVersion}`,
    `Runtimes: ${runtimes.join(', ') || 'none'}`,
    `Default Runtime: ${info.DefaultRuntime || 'none'}`,
    `conmon version: ${info.ConmonVersion || 'not installed'}`,
    `Hash Back-end: ${info.Hash.Backend} (wasm ${info.Hash.WasmMBPerSecond} MB/s, native ${info.Hash.NativeMBPerSecond} MB/s)`,
    `Decompressors: gzip ${info.Decompressors.Gzip}, zstd ${info.Decompressors.Zstd}`,
    `Kernel Version: ${info.KernelVersion}`,
    `Operating System: ${info.OperatingSystem}`,
    `OSType: ${info.OSType}`,
    `Architecture: ${info.Architecture}`,
    `CPUs: ${info.NCPU}`,
    `Total Memory: ${bytesSize(info.MemTotal)}`,
    `Name: ${info.Name}`,
    `Root Dir: ${info.DockerRootDir}`,
  ];
  return `${lines.join('\n')}\n`;
}
