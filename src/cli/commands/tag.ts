/** `gantry tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]`. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

export const tagCommand = (session: Session): Command =>
  command(
    'tag',
    'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  )
    .argument('<SOURCE_IMAGE[:TAG]>')
    .argument('<TARGET_IMAGE[:TAG]>')
    .action(async (source: string, target: string) => {
      const { tagImage } = await import('../../engine/tag-image.js');
      await tagImage(await openSessionStore(session), source, target);
    });
