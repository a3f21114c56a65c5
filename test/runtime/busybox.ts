/** A tiny root file system made of Debian's busybox-static, and the reasons not to run containers here. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findExecutable } from '../../src/runtime/oci-runtime.js';

const BUSYBOX = '/bin/busybox';
const TOOLS =
  'sh cat echo env false grep head id kill ls mkdir mount pwd sleep stat stty test touch true tty wc yes'.split(
    ' ',
  );

/** Why containers cannot run here; undefined when they can. Goes into test titles. */
export function whyNoContainers(runtime?: string): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync(BUSYBOX)) return 'needs busybox-static';
  if (runtime !== undefined && findExecutable(runtime) === undefined) return `needs ${runtime}`;
  return undefined;
}

/** Fills `root`: busybox and links, a few accounts, a file without x, a text that is no program. */
export function busyboxRootfs(root: string): void {
  for (const directory of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'root', 'data', 'sbin']) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const tool of TOOLS) symlinkSync('busybox', join(root, 'bin', tool));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nredis:x:999:998:Redis:/data:/bin/sh\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nredis:x:998:\naudio:x:29:redis\nvideo:x:44:\n');
  writeFileSync(join(root, 'etc/not-executable'), 'text\n', { mode: 0o644 });
  writeFileSync(join(root, 'data/seed'), 'from the image\n');
}
