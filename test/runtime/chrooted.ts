/** In a root directory of its own (hidden-mount.test.ts): prints what it finds where, after it was elsewhere. */
import { existsSync } from 'node:fs';
import { withoutMount } from '../../src/runtime/hidden-mount.js';

const [, , path = '', marker = ''] = process.argv;
const inside = withoutMount(path, () => [existsSync(marker), process.cwd()]);
console.log(JSON.stringify({ inside, after: [existsSync(marker), process.cwd()] }));
