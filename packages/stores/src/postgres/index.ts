export { classifyDatabaseError } from './classify.ts';
export type { Client, Reader, Tx } from './client.ts';
export { type Database, type DatabaseOptions, openDatabase } from './database.ts';
export { Prisma } from './generated/client.ts';
export { hasKeys } from './has-keys.ts';
export type { NodeProgress, NodeRow, NodeTable } from './nodes.ts';
export { ensureRealm, newEpoch, type RealmIdentity, readRealm, type Sealing, type SigningKeyBytes } from './realm.ts';
export {
  type Actor,
  type AuditEntry,
  lockCredential,
  lockRealm,
  type WriteOptions,
  type WriteResult,
  type Written,
} from './write.ts';
