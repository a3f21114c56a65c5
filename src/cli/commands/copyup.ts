/** `gantry copyup`: what copy-on-write costs a container. */
import type { Command } from 'commander';
import { group } from '../command.js';
import type { Session } from '../session.js';
import { copyUpReportCommand } from './copyup-report.js';

export const copyUpCommand = (session: Session): Command =>
  group('copyup', 'Trace, price and anticipate copy-ups', [copyUpReportCommand(session)]);
