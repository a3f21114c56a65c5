/** A tracer thread that dies in the middle: the container ends as it would, and its upper directory still tells what was copied. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { removeContainer } from '../../src/engine/containers.js';
import { profileRun } from '../../src/engine/profile-copyups.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { whyNoTracing } from '../copyup/overlay.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const place = vi.hoisted(() => ({ tracer: '' }));
vi.mock('../../src/engine/worker-file.js', async (original) => {
  const { workerFile } = await original<typeof import('../../src/engine/worker-file.js')>();
  return { workerFile: (name: string) => (name === 'tracer' ? place.tracer : workerFile(name)) };
});

const why = whyNoTracing() ?? whyNoContainers('crun');
const context = { env: {}, cwd: '/', cpuCount: 1, readFile: (path: string) => readFileSync(path, 'utf8') };

describe.skipIf(why !== undefined)(`a trace that fails${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  beforeAll(() => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    place.tracer = join(directory.path, 'tracer.cjs');
  });
  afterAll(() => {
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  it.each([
    ['its thread dies', 'process.exit(1);', 'the tracer thread died'],
    [
      'its thread gives up',
      "parentPort.postMessage({ tell: 'failed', error: { code: 'ERR_SYSCALL', message: 'read: EIO', details: {} } });",
      'read: EIO',
    ],
  ])('%s: the run goes on, and the upper directory tells', async (_title, end, reason) => {
    const { builtFile } = await import('../../src/engine/built-file.js');
    const real = JSON.stringify(builtFile('workers/tracer.js'));
    writeFileSync(
      place.tracer,
      `const { parentPort, workerData } = require('node:worker_threads');
       if (!workerData.watch) require(${real});
       else { parentPort.postMessage({ tell: 'armed' }); setTimeout(() => { ${end} }, 20); }`,
    );
    const warnings: string[] = [];
    const { profile, exitCode } = await profileRun(
      store,
      await busyboxImage(store),
      createRequest({}, 'busybox', ['sh', '-c', 'echo >>/etc/passwd; sleep 0.2; exit 3'], context),
      {
        stdin: Readable.from(['']),
        stdout: new PassThrough(),
        stderr: new PassThrough(),
        signalProxy: false,
        trace: true,
        onWarning: (text) => warnings.push(text),
      },
    );
    expect(exitCode).toBe(3);
    expect(warnings).toEqual([`the trace ended early: ${reason}; only the upper directory is looked at`]);
    expect(profile.source).toBe('upper');
    expect(profile.files.map(({ path }) => path)).toContain('/etc/passwd');
    await removeContainer(store, profile.container.id);
  });
});
