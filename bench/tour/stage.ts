/** What the tour prints, and the gantry processes that it starts as a user would: each command line is shown first. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { stopChild } from '../../test/helpers/registry-fixture.js';
import { GANTRY } from '../peers/tools.js';

export class Stage {
  readonly root: string;
  readonly #children: ChildProcess[] = [];
  #step = 0;
  #interrupted = false;

  constructor(root: string) {
    this.root = root;
    const interrupt = (): void => {
      this.#interrupted = true;
      for (const child of this.#children) child.kill('SIGTERM');
    };
    // Every one of them: npm sends Ctrl-C on, so that it comes twice.
    process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  }

  get step(): number {
    return this.#step;
  }

  say(line = ''): void {
    console.log(line);
  }

  title(words: string): void {
    this.say(`\n━━ ${++this.#step}. ${words}\n`);
  }

  /** Throws where the condition does not hold. */
  expect(condition: boolean, what: string): void {
    if (!condition) throw new Error(`expected: ${what}`);
    this.say(`✔ ${what}`);
  }

  /** Beside us; its output is the terminal's. */
  start(...args: string[]): ChildProcess {
    return this.#spawn(args, 'inherit');
  }

  /** To the end, and says how long that took. Throws for another exit code than 0. */
  async watch(...args: string[]): Promise<void> {
    const started = performance.now();
    await ended(this.start(...args));
    this.say(`  ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }

  /** To the end; gives what it printed. Throws for another exit code than 0. */
  async gantry(...args: string[]): Promise<string> {
    const child = this.#spawn(args, 'pipe');
    const [output] = await Promise.all([text(child.stdout!), ended(child)]);
    process.stdout.write(output);
    return output;
  }

  /** Ends what still runs, the containers of these stores too. */
  async close(stores: readonly string[], containers: readonly string[]): Promise<void> {
    for (const child of this.#children.reverse()) await stopChild(child);
    for (const root of stores) {
      const remove = [GANTRY, '--root', root, 'rm', '-f', ...containers];
      await once(spawn(process.execPath, remove, { stdio: 'ignore' }), 'exit');
    }
  }

  #spawn(args: readonly string[], stdout: 'inherit' | 'pipe'): ChildProcess {
    if (this.#interrupted) throw new Error('interrupted');
    this.say(`$ gantry ${args.map((arg) => (/[\s{]/.test(arg) ? `'${arg}'` : arg)).join(' ')}`);
    const child = spawn(process.execPath, [GANTRY, '--root', this.root, ...args], {
      stdio: ['ignore', stdout, 'inherit'],
    });
    this.#children.push(child);
    return child;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const [code, signal] = await once(child, 'exit');
  if (code !== 0) throw new Error(`ended with ${signal ?? `exit code ${code}`}`);
}
