/** `gantry history [OPTIONS] IMAGE`. */
import type { Command } from 'commander';
import { shortID } from '../../core/digest/digest.js';
import { command, formatOption } from '../command.js';
import { renderList } from '../render/list.js';
import { ago, ellipsis, humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

interface HistoryFlags {
  readonly format?: string;
  readonly human: boolean;
  readonly trunc: boolean;
  readonly quiet?: boolean;
}

const HEADERS = {
  ID: 'IMAGE',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
};

const CREATED_BY_WIDTH = 45;

export const historyCommand = (session: Session): Command =>
  command('history', 'Show the history of an image', '[OPTIONS] IMAGE')
    .argument('<IMAGE>')
    .addOption(formatOption())
    .option('-H, --human', 'Print sizes and dates in human readable format', true)
    .option('--no-trunc', "Don't truncate output")
    .option('-q, --quiet', 'Only show image IDs')
    .action((image: string, flags: HistoryFlags) => showHistory(session, image, flags));

async function showHistory(session: Session, image: string, flags: HistoryFlags): Promise<void> {
  const { imageHistory } = await import('../../engine/history.js');
  const now = Date.now();
  const rows = imageHistory(await openSessionStore(session), image).map((entry) => {
    const created = entry.created?.replace(/\.\d+/, '') ?? '';
    const createdBy = entry.createdBy.replaceAll('\t', ' ');
    return {
      ID: flags.trunc ? shortID(entry.id) : entry.id,
      CreatedSince: flags.human ? ago(entry.created, now) : created,
      CreatedAt: created,
      CreatedBy: flags.trunc ? ellipsis(createdBy, CREATED_BY_WIDTH) : createdBy,
      Size: flags.human ? humanSize(entry.size, 3) : String(entry.size),
      Comment: entry.comment,
    };
  });
  const created = flags.human ? 'CreatedSince' : 'CreatedAt';
  session.out(
    renderList(rows, {
      headers: HEADERS,
      columns: ['ID', created, 'CreatedBy', 'Size', 'Comment'],
      format: flags.format,
      only: flags.quiet ? 'ID' : undefined,
    }),
  );
}
