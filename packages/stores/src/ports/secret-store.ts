import type { Secret } from '../secrets/secret.ts';

export interface SecretMetadata {
  readonly path: string;
  readonly field: string;
  readonly version: number;
  readonly updatedAtMs: number;
  readonly updatedBy: string;
}

export type SecretStoreStatus = { readonly ok: true } | { readonly ok: false; readonly why: string; readonly remedy: string };

/** Secrets of one realm by path and field. Errors: `DatabaseUnavailable`, `SecretUnreadable`. */
export interface SecretStore {
  get(path: string, field: string): Promise<Secret | null>;
  /** Writes a new version. */
  set(path: string, field: string, value: Secret, by: string): Promise<SecretMetadata>;
  /** Writes unless the field exists; false: it did, nothing changed. */
  setIfAbsent(path: string, field: string, value: Secret, by: string): Promise<boolean>;
  /** Sorted by path and field. Never values. */
  list(prefix?: string): Promise<readonly SecretMetadata[]>;
  status(): Promise<SecretStoreStatus>;
}
