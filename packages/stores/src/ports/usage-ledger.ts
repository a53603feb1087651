export interface UsageEntry {
  readonly kid: string;
  /** `2026-11-21`, UTC. */
  readonly day: string;
  readonly allowed: number;
  readonly refused: number;
  /** Seconds since 1970; 0 = not used. */
  readonly lastUsedS: number;
  readonly lastAddress: string | null;
  readonly lastUserAgent: string | null;
}

/** Counts for people to read; no decision depends on them. */
export interface UsageLedger {
  /** False: this (source, seq) was counted before, nothing changed. `source` names one boot of one node. */
  report(realm: string, source: string, seq: number, entries: readonly UsageEntry[]): Promise<boolean>;
}
