/** Which command a command line names, told from its words alone: before the tree of commands is made, or even loaded. */

/**
 * The first word that is neither a global option nor its value, and what follows it; '' where there is none.
 *
 *   ['--root', '/srv/images', 'run', '-d', 'redis']  →  { name: 'run', rest: ['-d', 'redis'] }
 */
export function commandName(args: readonly string[]): {
  readonly name: string;
  readonly rest: readonly string[];
} {
  let at = 0;
  for (; args[at]?.startsWith('-'); at++) if (args[at] === '--root') at++;
  return { name: args[at] ?? '', rest: args.slice(at + 1) };
}
