/** The suites by name, each loaded when it runs. */
import type { Suite } from './suite.js';

export const SUITES = {
  hash: async () => (await import('../suites/hash.js')).hashSuite(),
  inflate: async () => (await import('../suites/inflate.js')).inflateSuite(),
  tar: async () => (await import('../suites/tar.js')).tarSuite(),
  apply: async () => (await import('../suites/apply.js')).applySuite(),
  pool: async () => (await import('../suites/pool.js')).poolSuite(),
  commit: async () => (await import('../suites/commit.js')).commitSuite(),
  pull: async () => (await import('../suites/pull.js')).pullSuite(),
  sampling: async () => (await import('../suites/sampling.js')).samplingSuite(),
  changed: async () => (await import('../suites/changed.js')).changedSuite(),
  trace: async () => (await import('../suites/trace.js')).traceSuite(),
  copyup: async () => (await import('../suites/copyup.js')).copyUpSuite(),
  'first-write': async () => (await import('../suites/first-write.js')).firstWriteSuite(),
} satisfies Record<string, () => Promise<Suite>>;

export type SuiteName = keyof typeof SUITES;
