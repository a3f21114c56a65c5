/** A process for tests to kill: starts a container in the foreground. Arguments: store root, container id, runtime. */
import { startContainer } from '../../src/engine/run.js';
import { openStore } from '../../src/engine/store.js';

const [root, id, runtime] = process.argv.slice(2) as [string, string, string];
const { stdin, stdout, stderr } = process;
const terminalSize = () => ({ rows: stdout.rows, columns: stdout.columns });
const options = { stdin, stdout, stderr, runtime, ...(stdout.isTTY ? { terminalSize } : {}) };
process.exitCode = await startContainer(openStore(root), id, options);
