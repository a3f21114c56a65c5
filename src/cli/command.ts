/**
 * Commands with docker's manners on commander's parser: `Usage:  gantry rmi [OPTIONS] IMAGE [IMAGE...]`, docker's words
 * for a wrong flag (exit status 125) or a wrong number of arguments (1).
 */
import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander';
import { GantryError } from '../core/errors.js';

/** What the user typed is not a command; the message holds the usage. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** A command: `usage` is what follows its name, as docker writes it. */
export function command(name: string, description: string, usage = '[OPTIONS]'): Command {
  const made = new Command(name).description(description).usage(usage).helpOption('--help', 'Print usage');
  return made
    .helpCommand(false)
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .configureOutput({ outputError: () => {} })
    .configureHelp({ sortSubcommands: true, subcommandTerm: (member) => member.name() })
    .exitOverride((error) => {
      throw translate(made, error);
    });
}

/** A command that only holds others. */
export function group(name: string, description: string, members: readonly Command[]): Command {
  const made = command(name, description, 'COMMAND').argument('[COMMAND]');
  for (const member of members) made.addCommand(member);
  return made.action((unknown?: string) => {
    if (unknown === undefined) made.outputHelp();
    else throw new UsageError(`unknown command: ${pathOf(made)} ${unknown}${more(made)}`, 1);
  });
}

/** The same command under another name: `image rm` for `rmi`. Commander keeps one parent for each object. */
export const named = (made: Command, name: string): Command => made.name(name);

/** Go's flags take `--rm=true` and `--sig-proxy=false`: each switch of the tree gets these two forms. */
export function withBooleanForms(at: Command): Command {
  for (const option of [...at.options]) {
    if (!option.isBoolean() || option.long === undefined || option.negate || option.long === '--version')
      continue;
    for (const value of [true, false]) {
      at.addOption(new Option(`${option.long}=${value}`).hideHelp());
      at.on(`option:${option.name()}=${value}`, () => at.setOptionValue(option.attributeName(), value));
    }
  }
  for (const member of at.commands) withBooleanForms(member);
  return at;
}

const pathOf = (at: Command): string =>
  at.parent === null ? at.name() : `${pathOf(at.parent)} ${at.name()}`;
const more = (at: Command): string => `\n\nRun '${pathOf(at)} --help' for more information`;

/** A repeatable flag. */
export const repeated = (flags: string, description: string): Option =>
  new Option(flags, description)
    .argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
    .default(undefined);

/** `-f, --filter`: checked for its form here, for its names by the engine. */
export const filterOption = (flags: string): Option =>
  new Option(`${flags} <filter>`, 'Filter output based on conditions provided').argParser(
    (value: string, before: string[] | undefined) => {
      if (!value.includes('=')) throw new InvalidArgumentError('bad format of filter (expected name=value)');
      return [...(before ?? []), value];
    },
  );

export const formatOption = (flags = '--format'): Option =>
  new Option(`${flags} <string>`, "'table', 'table TEMPLATE', 'json', or a Go template");

function translate(at: Command, error: CommanderError): Error {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const usage = `\n\nUsage:  ${pathOf(at)} ${at.usage()}${more(at)}`;
  switch (error.code) {
    case 'commander.unknownOption': {
      const flag = quoted.startsWith('--')
        ? `unknown flag: ${quoted.split('=')[0]}`
        : `unknown shorthand flag: '${quoted[1]}' in ${quoted}`;
      return new UsageError(flag + usage, 125);
    }
    case 'commander.optionMissingArgument':
      return new UsageError(`flag needs an argument: ${/--[\w-]+/.exec(quoted)?.[0] ?? quoted}${usage}`, 125);
    case 'commander.invalidArgument': {
      const [, flags, value, why] =
        /option '(.*?)(?: <.*?)?' argument '(.*)' is invalid\. (.*)/s.exec(error.message) ?? [];
      return new UsageError(
        `invalid argument ${JSON.stringify(value)} for "${flags}" flag: ${why}${usage}`,
        125,
      );
    }
    case 'commander.missingArgument':
    case 'commander.excessArguments':
      return new UsageError(`"${pathOf(at)}" ${wantedArguments(at)}${usage}`, 1);
    case 'commander.unknownCommand':
      return new UsageError(`unknown command: ${pathOf(at)} ${quoted}${more(at)}`, 1);
    default:
      return error;
  }
}

function wantedArguments(at: Command): string {
  const { registeredArguments: all } = at;
  const least = all.filter((argument) => argument.required).length;
  const plural = (count: number) => `${count} argument${count === 1 ? '' : 's'}`;
  if (all.length === 0) return 'accepts no arguments.';
  if (all.at(-1)!.variadic) return `requires at least ${plural(least)}.`;
  return least === all.length
    ? `requires exactly ${plural(least)}.`
    : `requires at most ${plural(all.length)}.`;
}

/** Throws ERR_INVALID_ARGUMENT in docker's words for a value that is none of `choices`. */
export function oneOf<const Choice extends string>(
  value: string,
  choices: readonly Choice[],
  what: string,
): Choice {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const quoted = choices.map((choice) => `"${choice}"`);
  throw new GantryError(
    'ERR_INVALID_ARGUMENT',
    `invalid ${what}: '${value}': must be one of ${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`,
    { exitCode: 125 },
  );
}
