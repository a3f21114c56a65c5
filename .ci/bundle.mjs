// Bundles the program and its threads into one CommonJS file each: loading 40 modules took 60 of the 150 ms that a pull
// needed before its first request, and in CommonJS a dynamic import() inside the file stays lazy, down to Node's own
// modules. Packages that carry binaries or spawn files of their own stay outside. The benches become ES modules.
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

// Built aside and renamed, so that a program that starts meanwhile finds the old one or the new one.
const FRESH = '.dist-new';

const entries = (dir) =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${dir}/${name}`);

const common = {
  outdir: FRESH,
  outbase: '.',
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  // The ESM form of a package holds only what is used of it.
  mainFields: ['module', 'main'],
  sourcemap: true,
  // hash-wasm is 230 kB of base64 that most runs never look at.
  external: ['koffi', 'piscina', 'hash-wasm', 'lz4-napi'],
  logLevel: 'warning',
};

rmSync(FRESH, { recursive: true, force: true });
mkdirSync(FRESH);
writeFileSync(`${FRESH}/package.json`, '{"type":"commonjs"}\n');
await build({
  ...common,
  entryPoints: ['src/cli/gantry.ts', 'src/cli/process.ts', ...entries('workers')],
  format: 'cjs',
  // import() of a package becomes require(): as an ES module it would be parsed twice, 45 ms for hash-wasm.
  supported: { 'dynamic-import': false },
  // What is loaded is parsed, by each thread: white space is a fifth of it. Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  define: { 'import.meta.url': '__url' },
  banner: { js: "const __url=require('node:url').pathToFileURL(__filename).href;" },
});
await build({
  ...common,
  entryPoints: entries('bench'),
  format: 'esm',
  splitting: true,
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  // CommonJS packages inside an ES module still call require() for Node's own modules.
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
});
chmodSync(`${FRESH}/src/cli/gantry.js`, 0o755);
rmSync('dist', { recursive: true, force: true });
renameSync(FRESH, 'dist');
