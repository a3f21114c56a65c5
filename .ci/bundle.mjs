// Bundles every entry point into dist/: one chunk graph, so that a command loads only the code it uses.
// Packages that carry their own binaries or spawn their own files stay outside the bundle.
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const entries = ['workers', 'bench'].flatMap((dir) =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${dir}/${name}`),
);
const cli = 'src/cli/gantry.ts';
if (!existsSync(cli)) throw new Error(`no ${cli}: run this from the project's root`);
rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: [cli, ...entries],
  outdir: 'dist',
  outbase: '.',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // The ESM form of a package has named exports that a dynamic import finds.
  mainFields: ['module', 'main'],
  // Threads parse what they load: white space is a fifth of that. Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: true,
  external: ['koffi', 'piscina', 'lz4-napi'],
  // CommonJS packages inside an ESM bundle still call require() for Node's own modules.
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
chmodSync('dist/src/cli/gantry.js', 0o755);
