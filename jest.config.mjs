import { readFileSync } from 'node:fs';

const swc = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));

/** Started by `npm test`, which brings up an embedded PostgreSQL for each worker and hands their URLs to the suites. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swc, swcrc: false }] },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // It publishes its TypeScript under our own condition, `source`.
    '^eventsource-parser$': '<rootDir>/node_modules/eventsource-parser/dist/index.js',
  },
  setupFiles: ['reflect-metadata'],
  testMatch: ['<rootDir>/{apps,bench,libs,scripts,test}/**/*.spec.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.gravitas/'],
  testTimeout: 120_000,
};
