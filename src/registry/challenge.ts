/**
 * WWW-Authenticate (RFC 9110 §11.6.1): several challenges may share one header, and quoted values hold commas.
 *
 *   Bearer realm="https://auth.corp/token",service="reg",scope="repository:a/b:pull,push", Basic realm="x"
 */
export interface ParsedChallenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case; empty for a token68 challenge (Negotiate). */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PARAMETER = new RegExp(
  `(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))[ \\t]*(?=,|$)`,
  'y',
);
const SCHEME = new RegExp(`(${TOKEN})(?:[ \\t]+|(?=,|$))`, 'y');
const TOKEN68 = /[0-9A-Za-z._~+/-]+=*[ \t]*(?=,|$)/y;
const SEPARATOR = /[ \t,]*/y;

/** Parses what it can; stops at the first thing that is no challenge and keeps those before it. */
export function parseChallenges(header: string): ParsedChallenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (take(SEPARATOR); at < header.length; take(SEPARATOR)) {
    const current = challenges.at(-1);
    const parameter = current && take(PARAMETER);
    if (parameter) {
      const [, key, quoted, plain] = parameter;
      current.parameters.set(key!.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain!);
      continue;
    }
    const scheme = take(SCHEME);
    if (scheme === null) break;
    challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters: new Map() });
    PARAMETER.lastIndex = at;
    if (!PARAMETER.test(header)) take(TOKEN68);
  }
  return challenges;
}
