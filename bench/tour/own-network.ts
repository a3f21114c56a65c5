/**
 * The tour's network: a network namespace of its own, so that gantry's bridge, its firewall rules and its leases are
 * never the machine's, and end with the last process of the tour.
 */
import { mkdirSync } from 'node:fs';
import { bind } from '../../src/core/fsops/libc.js';
import { MS, mount } from '../../src/core/fsops/mount.js';
import { setInterface } from '../../src/runtime/network/interface.js';
import type { Stage } from './stage.js';

const CLONE_NEWNS = 0x20000;
const CLONE_NEWNET = 0x40000000;
const MS_PRIVATE = 1 << 18;
const ENDPOINTS = '/run/gantry/network';

const unshare = bind<(flags: number) => number>('int unshare(int)');

/** For this thread, and for the processes that it starts from here on. False where the kernel does not let us. */
export function enterOwnNetwork(): boolean {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) return false;
  mkdirSync(ENDPOINTS, { recursive: true, mode: 0o700 });
  mount({ source: null, target: '/', flags: MS.REC | MS_PRIVATE });
  mount({ source: 'tmpfs', target: ENDPOINTS, type: 'tmpfs', data: 'mode=700' });
  setInterface('lo', 'up');
  return true;
}

/** How a redis is reached at 127.0.0.1:`port`: flags of `gantry run`, and arguments of redis-server. */
export interface RedisPort {
  readonly port: number;
  readonly flags: readonly string[];
  readonly redis: readonly string[];
}

/** Published, where a container of `image` shows that this can be done here. */
export async function publish(stage: Stage, image: string, port: number, own: boolean): Promise<RedisPort> {
  const flags = ['--network', 'bridge', '-p', `${port}:6379`];
  try {
    if (!own) throw new Error('no network namespace of our own');
    await stage.gantry('run', '--rm', ...flags, image, 'true');
    return { port, flags, redis: [] };
  } catch (error) {
    stage.say(`  No port can be published here (${(error as Error).message}): --network host does instead.`);
    return { port, flags: ['--network', 'host'], redis: ['--port', `${port}`, '--bind', '127.0.0.1'] };
  }
}
