/** `gantry system check`: a line for each thing that is needed; exit status 1 when one that is required is missing. */
import { type Command, Option } from 'commander';
import type { Check } from '../../engine/system-check.js';
import { command } from '../command.js';
import { renderObject } from '../render/object.js';
import { table } from '../render/table.js';
import type { Session } from '../session.js';

const MARKS: Readonly<Record<Check['status'], string>> = { ok: 'ok', warning: 'warning', missing: 'MISSING' };

export const checkCommand = (session: Session): Command =>
  command('check', 'Check whether this machine can pull and run, and tell what to install')
    .addOption(new Option('-f, --format <string>', "'json' or a Go template"))
    .action(async (flags: { format?: string }) => {
      const { checkSystem } = await import('../../engine/system-check.js');
      const report = checkSystem(session.root);
      if (!report.ok) session.exitCode = 1;
      if (flags.format) {
        session.out(renderObject(report, flags.format));
        return;
      }
      const lines = report.checks.map(({ status, group, name, found }) => [
        MARKS[status],
        group,
        name,
        found,
      ]);
      session.out(table([['STATUS', 'GROUP', 'NAME', 'FOUND'], ...lines]));
      const hints = report.checks.flatMap(({ name, hint }) =>
        hint === undefined ? [] : [`${name}: ${hint}\n`],
      );
      if (hints.length > 0) session.out(`\n${hints.join('')}`);
      if (report.install) session.out(`\nto install what is missing: ${report.install}\n`);
    });
