import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores: files that start daemons and servers beside each other would only wait for one another.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Umask, working directory and mounts belong to a process, so files get one each.
    pool: 'forks',
    // Networks are tested in namespaces of their own; no other test may touch the host's bridges and rules.
    env: { GANTRY_DEFAULT_NETWORK: 'none' },
  },
});
