#!/usr/bin/env -S -u NODE_EXTRA_CA_CERTS GANTRY_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS} node
/**
 * Starts the program with V8's code cache of it: what an earlier start compiled is read, 20 to 40 ms less for a command.
 *
 *   dist/src/cli/gantry.js          this
 *               process.js          the program
 *               process.js.1763771234567.run.cache    the functions that `run` called, once it has succeeded
 *
 * V8 takes a cache only for its own version and flags and for a source of the same length, any other is written anew. The name
 * has the time at which the program's file came here: its mtime may be that of a package, the same for two versions.
 * Node has this itself from 22 on (module.enableCompileCache), but not in 20.
 *
 * With NODE_EXTRA_CA_CERTS Node parses every authority that it knows before it runs a line, 60 ms, and most commands talk
 * to nobody. So env(1) gives the name another until Node has begun; registry/trust.ts reads the file when it is needed. Not
 * sh: it passes on no variable whose name has a dot, and complains of a working directory that is gone.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { commandName } from './command-name.js';

const { GANTRY_EXTRA_CA_CERTS: authorities } = process.env;
delete process.env.GANTRY_EXTRA_CA_CERTS;
if (authorities) process.env.NODE_EXTRA_CA_CERTS = authorities;

const file = join(__dirname, 'process.js');
const { name, rest } = commandName(process.argv.slice(2));
// `container cleanup` calls other functions than `container ls`, and `run -d` than `run`.
const kind = name === 'container' ? rest[0] : rest.find((word) => ['-d', '--detach'].includes(word));
const words = [name, kind].filter((word = '') => /^[a-z-]+$/.test(word));
const cache = `${file}.${Math.trunc(statSync(file).ctimeMs)}.${words.join('.') || 'any'}.cache`;

function cached(): Buffer | undefined {
  try {
    return readFileSync(cache);
  } catch {
    return undefined;
  }
}

const cachedData = cached();
// The bundle is ASCII (esbuild's default): one byte a character is read, and kept, without decoding.
const parameters = '(function(exports,require,module,__filename,__dirname){';
const script = new Script(`${parameters}${readFileSync(file, 'latin1')}\n})`, {
  filename: file,
  columnOffset: -parameters.length,
  ...(cachedData === undefined ? {} : { cachedData }),
});
if (cachedData === undefined || script.cachedDataRejected) {
  process.once('exit', (status) => {
    if (status !== 0) return; // a word that is no command has no cache
    const fresh = `${cache}.${process.pid}`;
    try {
      writeFileSync(fresh, script.createCachedData());
      renameSync(fresh, cache);
    } catch {
      // who may not write here starts a little slower
    }
  });
}
const module_ = { exports: {} };
script.runInThisContext()(module_.exports, createRequire(file), module_, file, __dirname);
