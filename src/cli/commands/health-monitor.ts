/** `gantry container health-monitor`, hidden: started beside the first container with a health check, ends after the last. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

export const healthMonitorCommand = (session: Session): Command =>
  command('health-monitor', 'Probe the health of running containers').action(async () => {
    const { monitorHealth } = await import('../../engine/health-monitor.js');
    await monitorHealth(await openSessionStore(session), session.signal);
  });
