/**
 * Block I/O flags, in docker's grammar:
 *
 *   --blkio-weight 300                      10 to 1000; 0 is none
 *   --blkio-weight-device /dev/vda:300
 *   --device-read-bps /dev/vda:10mb         bytes a second; also --device-write-bps
 *   --device-read-iops /dev/vda:1000        operations a second; also --device-write-iops
 */
import type { DeviceRate, HostConfig } from '../create-request.js';
import type { RunFlags } from '../run-flags.js';
import { invalid, invalidFlag } from './invalid.js';
import { parseSize } from './size.js';

type BlockIo = Pick<
  HostConfig,
  | 'BlkioWeight'
  | 'BlkioWeightDevice'
  | 'BlkioDeviceReadBps'
  | 'BlkioDeviceWriteBps'
  | 'BlkioDeviceReadIOps'
  | 'BlkioDeviceWriteIOps'
>;

/** A text that is no weight is refused in docker's words. */
export function blockWeight(text: string): number {
  const weight = /^\d+$/.test(text) ? Number(text) : -1;
  if (weight === 0 || (weight >= 10 && weight <= 1000)) return weight;
  throw invalid('Range of blkio weight is from 10 to 1000');
}

/** `/dev/vda:VALUE`, cut at the last colon. */
function deviceValue(spec: string, flag: string): readonly [path: string, value: string] {
  const at = spec.lastIndexOf(':');
  if (at < 0) throw invalidFlag(spec, flag, `bad format: ${spec}`);
  const path = spec.slice(0, at);
  if (!path.startsWith('/dev/')) throw invalidFlag(spec, flag, `bad format for device path: ${spec}`);
  return [path, spec.slice(at + 1)];
}

function weights(specs: readonly string[]): { readonly Path: string; readonly Weight: number }[] {
  return specs.map((spec) => {
    const [Path, text] = deviceValue(spec, '--blkio-weight-device');
    try {
      return { Path, Weight: blockWeight(text) };
    } catch {
      throw invalidFlag(spec, '--blkio-weight-device', `invalid weight for device: ${spec}`);
    }
  });
}

function rates(specs: readonly string[], flag: string, unit: 'bytes' | 'operations'): DeviceRate[] {
  return specs.map((spec) => {
    const [Path, text] = deviceValue(spec, flag);
    const wrong = invalidFlag(
      spec,
      flag,
      `invalid rate for device: ${spec}. The correct format is <device-path>:<number>${
        unit === 'bytes' ? '[<unit>]' : ''
      }. Number must be a positive integer${unit === 'bytes' ? '. Unit is optional and can be kb, mb, or gb' : ''}`,
    );
    if (!(unit === 'bytes' ? /^\d+([kmg]b?|b)?$/i : /^\d+$/).test(text)) throw wrong;
    return { Path, Rate: unit === 'bytes' ? parseSize(text) : Number(text) };
  });
}

/** All of them, empty where nothing was given, as docker keeps it. */
export function blockIoOf(flags: RunFlags): BlockIo {
  return {
    BlkioWeight: flags.blkioWeight === undefined ? 0 : blockWeight(flags.blkioWeight),
    BlkioWeightDevice: weights(flags.blkioWeightDevice ?? []),
    BlkioDeviceReadBps: rates(flags.deviceReadBps ?? [], '--device-read-bps', 'bytes'),
    BlkioDeviceWriteBps: rates(flags.deviceWriteBps ?? [], '--device-write-bps', 'bytes'),
    BlkioDeviceReadIOps: rates(flags.deviceReadIops ?? [], '--device-read-iops', 'operations'),
    BlkioDeviceWriteIOps: rates(flags.deviceWriteIops ?? [], '--device-write-iops', 'operations'),
  };
}
