export type { SecretMetadata, SecretStore, SecretStoreStatus } from '../ports/secret-store.ts';
export { createKek, createKekFile, type Kek, KekRefused, loadKek, SecretUnreadable } from './kek.ts';
export { LocalSecretStore } from './local-store.ts';
export { ensurePepperRing, PEPPER_PATH, type PepperRing, readPepperRing } from './pepper-ring.ts';
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
