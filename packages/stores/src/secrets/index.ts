export type { SecretMetadata, SecretStore, SecretStoreStatus } from '../ports/secret-store.ts';
export { createKek, createKekFile, type Kek, KekRefused, kekOf, loadKek, SecretUnreadable } from './kek.ts';
export { LocalSecretStore } from './local-store.ts';
export { MovedSecretStore } from './moved-store.ts';
export {
  beginPepperRotation,
  ensurePepperRing,
  finishPepperRotation,
  PEPPER_PATH,
  type PepperRing,
  PepperRingLost,
  pendingPepper,
  type RingMaking,
  readPepperRing,
} from './pepper-ring.ts';
export { type Resolved, resolveSecretRef } from './resolve.ts';
export { Secret } from './secret.ts';
export {
  defaultPrefixes,
  parseSecretRef,
  type SecretPrefixes,
  type SecretRef,
  type SecretRefResult,
  secretPathProblem,
} from './secret-ref.ts';
export {
  httpTransport,
  KvStore,
  VaultClient,
  type VaultDoor,
  type VaultHealth,
  type VaultLogin,
  VaultSecretStore,
  type VaultSettings,
  VaultTransitSigner,
  type VaultTransport,
} from './vault/index.ts';
