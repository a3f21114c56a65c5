/** The tour of `npm run quickstart` checks itself; here: that it passes, and that it leaves nothing behind, also when it is interrupted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { benchDir } from '../../bench/images/build.js';
import { whyNoNetworks } from '../helpers/own-network.js';

const TOUR = join(import.meta.dirname, '../../dist/bench/quickstart.mjs');
const MINUTES = 60_000;

describe.skipIf(process.getuid?.() !== 0)('the tour (needs root)', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'gantry-e2e-tour-'));
  afterAll(() => rmSync(temporary, { recursive: true, force: true }));

  /** Gives all that it prints; `look` is called with that so far. */
  async function tour(look: (child: ChildProcess, output: string) => void = () => {}) {
    expect(existsSync(TOUR), `${TOUR} is built (npm run build)`).toBe(true);
    const env = { ...process.env, TMPDIR: temporary, GANTRY_BENCH_DIR: benchDir() };
    const child = spawn(process.execPath, [TOUR], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => {
        output += text;
        look(child, output);
      });
    }
    const [code] = await once(child, 'close');
    return { code, output };
  }

  const processesOfIt = (): string[] =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
        } catch {
          return '';
        }
      })
      .filter((command) => command.includes(temporary));

  it('passes', { timeout: 4 * MINUTES }, async () => {
    const { code, output } = await tour();
    expect(code, output).toBe(0);
    if (whyNoNetworks() === undefined) expect(output).not.toContain('No port can be published');
    expect(output).toContain('What happened');
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOfIt()).toEqual([]);
  });

  it('ends what runs when it is interrupted', { timeout: 4 * MINUTES }, async () => {
    const { code, output } = await tour((child, text) => {
      if (text.includes('From outside')) child.kill('SIGINT');
    });
    expect(code, output).toBe(1);
    expect(output).toContain('quickstart failed in step 7');
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOfIt()).toEqual([]);
  });
});
