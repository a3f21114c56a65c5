/**
 * Container names: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, and generated ones of an adjective and the surname of somebody
 * whose work the field stands on (`patient_liskov`).
 */
import { randomInt } from 'node:crypto';
import { invalid } from './flags/invalid.js';

const ADJECTIVES =
  `able agile amber ample azure brave breezy bright brisk calm candid careful cheerful clever coastal
copper cosmic crisp curious daring deft diligent eager earnest easy elastic fearless festive fluent frank fresh frosty
gentle glad golden graceful grand happy hardy hearty honest humble ideal jolly jovial keen kind lively loyal lucid lucky
mellow merry mighty modest nimble noble open patient plain plucky polite proud quick quiet ready rested robust rugged
sage serene sharp silent silver simple sincere sleek smart solid sound spry stable steady still sunny sure swift tender
thrifty tidy tranquil trusty upbeat valiant vivid warm wise witty worthy zesty`.split(/\s+/);

const SURNAMES =
  `allen babbage bachman backus bartik berners boole booth brooks cerf church clarke codd conway cray
curry diffie dijkstra eckert engelbart estrin feinler floyd gauss goldberg gosling gray hamilton hamming hejlsberg
hellman hoare hopper iverson jacobson johnson kahan kahn karp kay kernighan kleene knuth lamport lampson landin liskov
lovelace mauchly mccarthy meyer milner minsky moore naur needham neumann newell noether nygaard pascal patterson perlis
perlman postel rabin ramsey ritchie rivest sammet scott shannon simon stallman stearns steele stonebraker strachey
sutherland tarjan thompson torvalds turing ullman wilkes wilkinson wing wirth yao zuse`.split(/\s+/);

/** A fresh name; from the fourth try on with a digit, as the plain ones may all be in use. */
export function generateName(attempt = 0): string {
  const pick = (words: readonly string[]) => words[randomInt(words.length)]!;
  return `${pick(ADJECTIVES)}_${pick(SURNAMES)}${attempt < 3 ? '' : randomInt(10 ** (attempt - 2))}`;
}

/** The name without a leading slash. Throws ERR_INVALID_ARGUMENT, so that no other text becomes a path. */
export function checkContainerName(name: string): string {
  const plain = name.replace(/^\//, '');
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(plain) && plain.length <= 255) return plain;
  throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}
