/** `gantry version`: docker's block form. There is no server, so what is the client is all. */
import { type Command, Option } from 'commander';
import { VERSION } from '../../core/version.js';
import { command } from '../command.js';
import { renderObject } from '../render/object.js';
import type { Session } from '../session.js';

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
};

export const versionCommand = (session: Session): Command =>
  command('version', 'Show the gantry version information')
    .addOption(new Option('-f, --format <string>', "'json' or a Go template"))
    .action((flags: { format?: string }) => {
      const engine = {
        Version: VERSION,
        NodeVersion: process.version,
        Os: process.platform,
        Arch: architectures[process.arch] ?? process.arch,
      };
      // Scripts ask docker for `.Client.Version` or `.Server.Version`; here both are this program.
      if (flags.format) session.out(renderObject({ Client: engine, Server: engine }, flags.format));
      else {
        session.out(
          `Client: gantry\n Version:           ${engine.Version}\n Node version:      ${engine.NodeVersion}\n OS/Arch:           ${engine.Os}/${engine.Arch}\n`,
        );
      }
    });
