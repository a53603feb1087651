/** What is counted exactly over all nodes: a credential's quota in one window, or one version's request budget. */
export type LeaseSubject =
  | { readonly kind: 'quota'; readonly credential: number; readonly window: string }
  | { readonly kind: 'budget'; readonly kid: string };

export interface LeaseDemand {
  readonly realm: string;
  /** Who will spend the tokens (a node's boot); only it can give them back. */
  readonly holder: string;
  readonly subject: LeaseSubject;
  readonly want: number;
  /** Nodes that might want a share. */
  readonly activeNodes: number;
}

export interface Lease {
  /** Empty when nothing was granted. */
  readonly leaseId: string;
  readonly granted: number;
  /** The limit is reached: nothing more in this window. */
  readonly exhausted: boolean;
  readonly limit: number;
  /** Not yet handed out to anybody after this grant. */
  readonly left: number;
  /** Until the window ends, by the authority's clock; null for a budget. */
  readonly remainingMs: number | null;
}

/**
 * Hands out tokens of durable counts. The debit is committed before the grant leaves; a grant is never sent twice; a return is
 * credited at most once. So the sum of all grants never exceeds the limit, whatever crashes or gets lost: losses only
 * destroy tokens. Errors: `DatabaseUnavailable` (then nothing was granted, though tokens may have been debited).
 */
export interface LeaseAuthority {
  grant(demand: LeaseDemand): Promise<Lease>;
  /** True if the tokens were credited. An unknown lease (older process, another replica, returned before) is ignored. */
  giveBack(realm: string, holder: string, leaseId: string, amount: number): Promise<boolean>;
}
