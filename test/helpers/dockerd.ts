/** A real dockerd (Debian's docker.io) on a given root, for as long as an action lasts. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../../src/core/digest/digest.js';
import { stopChild } from './registry-fixture.js';

const DOCKERD = '/usr/sbin/dockerd';
const DOCKER = '/usr/bin/docker';

export const dockerdPresent = [DOCKERD, DOCKER].every((path) => existsSync(path));

/** Runs a docker command line and returns what it prints, trimmed. */
export type Docker = (...args: string[]) => string;

/** `directory` takes the socket, the log and the state of running containers; must be there. */
export async function withDockerd(
  { directory, root }: { readonly directory: string; readonly root: string },
  action: (docker: Docker) => void,
): Promise<void> {
  const socket = `unix://${directory}/docker.sock`;
  const log = openSync(join(directory, 'log'), 'a');
  const daemon = spawn(
    DOCKERD,
    [
      ...['--data-root', root, '--exec-root', join(directory, 'exec'), '-H', socket],
      ...['--pidfile', join(directory, 'pid'), '--storage-driver', 'overlay2'],
      ...['--iptables=false', '--ip6tables=false', '--bridge=none'],
    ],
    { stdio: ['ignore', log, log] },
  );
  const docker: Docker = (...args) =>
    execFileSync(DOCKER, ['-H', socket, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DOCKER_CONFIG: directory },
    }).trim();
  try {
    await answering(docker, () => daemon.exitCode !== null, join(directory, 'log'));
    action(docker);
  } finally {
    await stopChild(daemon);
  }
}

async function answering(docker: Docker, ended: () => boolean, log: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      docker('version');
      return;
    } catch (cause) {
      if (tries > 100 || ended()) throw new Error(readFileSync(log, 'utf8').slice(-2000), { cause });
      await sleep(100);
    }
  }
}

/** The digests of the layers that `docker save` gives back, bottom first. `directory` is made and filled. */
export function savedLayers(docker: Docker, image: string, directory: string): string[] {
  mkdirSync(directory);
  docker('save', '-o', `${directory}.tar`, image);
  execFileSync('tar', ['-xf', `${directory}.tar`, '-C', directory]);
  rmSync(`${directory}.tar`);
  const [{ Layers }] = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as [
    { Layers: string[] },
  ];
  return Layers.map((path) => digestOf(readFileSync(join(directory, path))));
}
