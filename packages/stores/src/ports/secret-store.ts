import type { Secret } from '../secrets/secret.ts';

export interface SecretMetadata {
  readonly path: string;
  readonly field: string;
  readonly version: number;
  readonly updatedAtMs: number;
  readonly updatedBy: string;
}

export type SecretStoreStatus = { readonly ok: true } | { readonly ok: false; readonly why: string; readonly remedy: string };

/** Secrets of one realm by path and field. Errors: `DatabaseUnavailable`, `SecretStoreUnavailable`, `SecretUnreadable`. */
export interface SecretStore {
  get(path: string, field: string): Promise<Secret | null>;
  /** All fields of one path, of one moment; empty when there is none. */
  document(path: string): Promise<ReadonlyMap<string, Secret>>;
  /** Writes a new version. */
  set(path: string, field: string, value: Secret, by: string): Promise<SecretMetadata>;
  /** Writes unless the field exists; false: it did, nothing changed. */
  setIfAbsent(path: string, field: string, value: Secret, by: string): Promise<boolean>;
  /** Destroys the field with all its versions; false: it was not there. */
  remove(path: string, field: string): Promise<boolean>;
  /** Sorted by path and field. Never values. */
  list(prefix?: string): Promise<readonly SecretMetadata[]>;
  status(): Promise<SecretStoreStatus>;
}
