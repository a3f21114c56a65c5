/** In a root directory of its own (hidden-mount.test.ts): prints what it finds where, after it was elsewhere. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { openView, withoutMount } from '../../src/runtime/hidden-mount.js';

const [, , path = '', marker = ''] = process.argv;
const inside = withoutMount(path, () => [existsSync(marker), process.cwd()]);
const view = openView(path);
const ours = `/proc/${process.pid}/fd`;
const entered = execFileSync(
  'nsenter',
  [`--mount=${ours}/${view.namespace}`, `--root=${ours}/${view.root}`, 'ls', dirname(marker)],
  { encoding: 'utf8' },
);
console.log(JSON.stringify({ inside, after: [existsSync(marker), process.cwd()], entered }));
