export {
  CannotOpen,
  DatabaseUnavailable,
  RealmUnknown,
  RuleBroken,
  SecretStoreUnavailable,
  StoreCorrupt,
  type StoreOutage,
  UniqueConflict,
} from './faults.ts';
export type { Lease, LeaseAuthority, LeaseDemand, LeaseSubject } from './lease-authority.ts';
export type { Head, LoggedRevision, RevisionLog, StateSnapshot } from './revision-log.ts';
export type { SecretMetadata, SecretStore, SecretStoreStatus } from './secret-store.ts';
export type { StateCodec, StateRecord } from './state-codec.ts';
export type { UsageEntry, UsageLedger } from './usage-ledger.ts';
