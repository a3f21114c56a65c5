/**
 * The words of a Dockerfile instruction (the builder's rules, docs.docker.com/reference/dockerfile):
 *
 *   A=b C="d e" F=g\ h      three words; quotes and backslashes belong to a word until it is expanded
 *   $NAME ${NAME} ${NAME:-else} ${NAME:+then}      from the environment, not inside single quotes
 */

/** Splits at blanks that are neither quoted nor escaped. Quotes stay. */
export const splitWords = (text: string): string[] =>
  text.match(/(?:\\.|"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s"'\\]|\\$)+/gs) ?? [];

/** Takes quotes and backslashes away and puts variables in. */
export function expandWord(word: string, env: readonly string[]): string {
  const piece = /'([^']*)'?|"((?:\\.|[^"\\])*)"?|\\(.)|(\$\{[^}]*\}|\$\w+)|([^'"\\$]+|.)/gs;
  return [...word.matchAll(piece)]
    .map(([, single, double, escaped, variable, plain]) => {
      if (double !== undefined) return expandQuoted(double, env);
      if (variable !== undefined) return variableValue(variable, env);
      return single ?? escaped ?? plain ?? '';
    })
    .join('');
}

/** Inside double quotes a backslash stands only before what it would change. */
const expandQuoted = (text: string, env: readonly string[]): string =>
  text.replace(/\\(["$\\])|(\$\{[^}]*\}|\$\w+)/g, (_, escaped?: string, variable?: string) =>
    variable === undefined ? escaped! : variableValue(variable, env),
  );

function variableValue(variable: string, env: readonly string[]): string {
  const [, name = '', operator, word = ''] = /^\$\{?(\w*)(?::([-+])(.*))?\}?$/s.exec(variable) ?? [];
  const entry = env.find((known) => known.startsWith(`${name}=`));
  const value = entry?.slice(name.length + 1) ?? '';
  const other = word.replace(/\}$/, '');
  if (operator === '-') return value === '' ? expandWord(other, env) : value;
  if (operator === '+') return value === '' ? '' : expandWord(other, env);
  return value;
}
