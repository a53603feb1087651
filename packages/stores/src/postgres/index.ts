export { classifyDatabaseError } from './classify.ts';
export type { Client, Tx } from './client.ts';
export { type Database, type DatabaseOptions, openDatabase } from './database.ts';
export { Prisma } from './generated/client.ts';
export {
  type Actor,
  type AuditEntry,
  lockCredential,
  lockRealm,
  type WriteOptions,
  type WriteResult,
  type Written,
} from './write.ts';
