/** For tests of other rooms: the emulator, and a real server where there is one. */
export { type EmulatorMood, startVaultEmulator, type VaultEmulator } from './vault-emulator.ts';
export { clientOf, hasTestVault, openTestVault, type TestVault } from './vault-server.ts';
