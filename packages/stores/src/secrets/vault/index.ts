export { VaultClient, type VaultDoor, type VaultHealth, type VaultSettings } from './client.ts';
export { KvStore } from './kv.ts';
export type { VaultLogin } from './login.ts';
export { VaultTransitSigner } from './transit-signer.ts';
export { httpTransport, TransportFailed, type VaultTransport } from './transport.ts';
export { VaultSecretStore } from './vault-store.ts';
