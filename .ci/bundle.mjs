// Bundles the program and its threads into one CommonJS file each: loading 40 modules took 60 of the 150 ms that a pull
// needed before its first request, and in CommonJS a dynamic import() inside the file stays lazy, down to Node's own
// modules. Packages that carry binaries or spawn files of their own stay outside. The benches become ES modules.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

// Built aside and renamed, so that a program that starts meanwhile finds the old one or the new one.
const FRESH = '.dist-new';

const entries = (dir) =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${dir}/${name}`);

const packages = ['piscina', 'hash-wasm', 'lz4-napi'];
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
  external: ['koffi', ...packages],
  logLevel: 'warning',
};

rmSync(FRESH, { recursive: true, force: true });
mkdirSync(FRESH);
writeFileSync(`${FRESH}/package.json`, '{"type":"commonjs"}\n');
// commander would start other programs as subcommands; to have that takes each of ours 1 ms.
const noPrograms = {
  name: 'no programs as subcommands',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes('/commander/') ? { path: 'none', namespace: 'none' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: 'module.exports = {}' }));
  },
};
const program = {
  ...common,
  format: 'cjs',
  plugins: [noPrograms],
  // koffi finds its library in 1 ms from inside, in 5 from its own directory.
  alias: { koffi: './node_modules/koffi/index.cjs' },
  external: [...packages, '@koromix/*'],
  // import() of a package becomes require(): as an ES module it would be parsed twice, 45 ms for hash-wasm.
  supported: { 'dynamic-import': false },
  // What is loaded is parsed, by each thread. The short names are 5 ms of a `run`; stack traces go through the map.
  minify: true,
  define: { 'import.meta.url': '__url' },
};
await build({
  ...program,
  entryPoints: ['src/cli/process.ts', ...entries('workers')],
  banner: { js: "const __url=require('node:url').pathToFileURL(__filename).href;" },
});
await build({ ...program, entryPoints: ['src/cli/gantry.ts'] });
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
// The page of `copyup report --format html`: one file, whose policy allows its own script and style by their hashes.
const page = 'src/cli/report-page';
const inline = async (entry) => {
  const { outputFiles } = await build({
    entryPoints: [`${page}/${entry}`],
    bundle: true,
    minify: true,
    charset: 'utf8',
    target: 'es2022',
    write: false,
    logLevel: 'warning',
  });
  const text = outputFiles[0].text.trim();
  return { text, hash: `sha256-${createHash('sha256').update(text).digest('base64')}` };
};
const [script, style] = await Promise.all([inline('main.ts'), inline('page.css')]);
const parts = {
  SCRIPT_HASH: script.hash,
  STYLE_HASH: style.hash,
  '/* STYLE */': style.text,
  '/* SCRIPT */': script.text,
};
writeFileSync(
  `${FRESH}/${page}.html`,
  readFileSync(`${page}/page.html`, 'utf8').replace(
    /SCRIPT_HASH|STYLE_HASH|\/\* (?:STYLE|SCRIPT) \*\//g,
    (name) => parts[name],
  ),
);
chmodSync(`${FRESH}/src/cli/gantry.js`, 0o755);
rmSync('dist', { recursive: true, force: true });
renameSync(FRESH, 'dist');
