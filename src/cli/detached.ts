/** What a detached container's start needs of this process: how it is called, and the caller's settings. */
import { realpathSync } from 'node:fs';
import type { DetachedOptions } from '../engine/start-detached.js';
import type { Session } from './session.js';

export function detached(session: Session): DetachedOptions {
  const { env, execPath, argv } = process;
  return {
    gantry: [execPath, realpathSync(argv[1]!)],
    ...(env.GANTRY_RUNTIME ? { runtime: env.GANTRY_RUNTIME } : {}),
    ...(env.PATH ? { searchPath: env.PATH } : {}),
    onWarning: (text) => session.err(`WARNING: ${text}\n`),
  };
}
