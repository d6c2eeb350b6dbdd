/**
 * Four projects, by what they need: `unit` runs anywhere, `netns` needs root and network namespaces, `attacks` needs root
 * and memory cgroups, `e2e` needs the real cluster (`npm run cluster -- up`).
 */
const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' } },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

export default {
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['<rootDir>/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', '\\.(netns|attack)\\.test\\.ts$', '<rootDir>/e2e/suite/'],
    },
    { ...common, displayName: 'netns', testMatch: ['<rootDir>/**/*.netns.test.ts'] },
    {
      ...common,
      displayName: 'attacks',
      testMatch: ['<rootDir>/**/*.attack.test.ts'],
      setupFilesAfterEnv: ['<rootDir>/e2e/attacks/kit/time-limit.ts'],
    },
    {
      ...common,
      displayName: 'e2e',
      testMatch: ['<rootDir>/e2e/suite/**/*.test.ts'],
      globalSetup: '<rootDir>/e2e/setup/global-setup.ts',
      setupFilesAfterEnv: ['<rootDir>/e2e/setup/time-limit.ts'],
    },
  ],
  // Tests wait for conditions, not for times; on a busy machine that may take long.
  testTimeout: 30_000,
  // Every core, where Jest would leave one out; and workers that begin again, since a heap of a thousand tests collects slowly.
  maxWorkers: '100%',
  workerIdleMemoryLimit: '600MB',
  // The end-to-end suite needs an order: installing first, uninstalling last. The others do not mind.
  testSequencer: '<rootDir>/e2e/setup/by-name.mjs',
};
