import type { StateRecord } from './state-codec.ts';

/** Where a realm stands. Equal heads mean equal state: `chain` fixes the history, `stateDigest` the content. */
export interface Head {
  readonly epoch: string;
  readonly revision: number;
  readonly chain: Uint8Array;
  readonly stateDigest: Uint8Array;
}

export interface LoggedRevision {
  readonly revision: number;
  /** Encoded by the codec. */
  readonly records: Uint8Array;
  /** After this revision. */
  readonly chain: Uint8Array;
  readonly stateDigest: Uint8Array;
  /** It revokes, suspends or narrows: flush at once. */
  readonly urgent: boolean;
  readonly committedAtMs: number;
}

export interface StateSnapshot extends Head {
  readonly records: readonly StateRecord[];
}

/** Reader's side of the log: dense (n+1 follows n), in commit order. Errors: `DatabaseUnavailable`, `RealmUnknown`. */
export interface RevisionLog {
  head(realm: string): Promise<Head>;
  /** Revisions `after + 1 …`, at most `limit`; `gone` when they were pruned (take a snapshot instead). */
  revisionsAfter(realm: string, after: number, limit: number): Promise<readonly LoggedRevision[] | 'gone'>;
  /** Bytes of the revisions after `after`, and of all entities: which of the two is cheaper to send. Reads sizes only. */
  weigh(realm: string, after: number): Promise<{ readonly deltaBytes: number; readonly snapshotBytes: number }>;
  /** Head and all entities of one moment. */
  snapshot(realm: string): Promise<StateSnapshot>;
}
