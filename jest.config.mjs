/** Native ESM TypeScript by SWC. Run under Node 24 with --experimental-vm-modules (scripts/test.mjs does). */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/packages', '<rootDir>/apps', '<rootDir>/scripts'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } }],
  },
  modulePathIgnorePatterns: ['/dist/'],
  globals: { FLUXGATE_VERSION: '0.0.0-test' },
  testTimeout: 30_000,
};
