/** README's table of commands, held against the program. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { program } from '../../src/cli/program.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const section = readme.split(/^## /m).find((part) => part.startsWith('Commands\n')) ?? '';
const rows = [...section.matchAll(/^\| (`[a-z].*?) \| (.*) \|$/gm)].map(([, names, does]) => ({
  commands: quoted(names!).map((phrase) => phrase.split(' ').filter((word) => /^[a-z]+$/.test(word))),
  flags: quoted(does!).flatMap((phrase) => phrase.match(/--[a-z-]+/g) ?? []),
}));

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, phrase]) => phrase!);
}

const root = program({
  root: '/nonexistent',
  debug: false,
  exitCode: 0,
  out: () => {},
  err: () => {},
  signal: new AbortController().signal,
});
const shown = (at: Command): readonly Command[] => at.createHelp().visibleCommands(at);
const find = (path: readonly string[]): Command | undefined =>
  path.reduce<Command | undefined>(
    (at, word) => at?.commands.find((member) => member.name() === word || member.aliases().includes(word)),
    root,
  );

describe("README's table of commands", () => {
  const named = rows.flatMap(({ commands }) => commands.map((path) => path.join(' ')));

  it('names every command', () => {
    const groups = ['copyup', 'registry', 'system'];
    const wanted = shown(root).flatMap((made) =>
      groups.includes(made.name())
        ? shown(made).map((member) => `${made.name()} ${member.name()}`)
        : [made.name()],
    );
    expect(wanted.length).toBeGreaterThan(40);
    expect(wanted.filter((name) => !named.includes(name))).toEqual([]);
  });

  it('names none that is not there', () => {
    expect(named.filter((name) => find(name.split(' ')) === undefined)).toEqual([]);
  });

  it('tells flags that one of the commands of the row has', () => {
    const unknown = rows.flatMap(({ commands, flags }) => {
      const known = [...commands, ['run']].flatMap((path) => find(path)?.options.map(({ long }) => long));
      return flags.filter((flag) => !known.includes(flag));
    });
    expect(unknown).toEqual([]);
  });
});
