/** The place that remembers is out of reach or too busy. Callers answer 503, never 401 and never a pass. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  /** unknown: the connection broke while committing, the write may or may not have happened. */
  readonly outcome: 'not_done' | 'unknown';
  constructor(why: string, options: { readonly outcome?: 'not_done' | 'unknown'; readonly cause?: unknown } = {}) {
    super(why, { cause: options.cause });
    this.outcome = options.outcome ?? 'not_done';
  }
}

/** Why a secret store does not answer. `denied`: it answers, and its policy refuses this program. */
export type StoreOutage = 'unreachable' | 'timeout' | 'sealed' | 'standby' | 'busy' | 'denied' | 'failed';

/** The secret store is out of reach, sealed, or refuses this program. Callers answer 503; nodes keep what they have. No value or token is in it. */
export class SecretStoreUnavailable extends Error {
  override readonly name = 'SecretStoreUnavailable';
  readonly outage: StoreOutage;
  /** What an operator does about it. */
  readonly remedy: string;
  /** unknown: the line broke during a write, which may or may not have happened. */
  readonly outcome: 'not_done' | 'unknown';
  constructor(
    outage: StoreOutage,
    why: string,
    remedy: string,
    options: { readonly outcome?: 'not_done' | 'unknown'; readonly cause?: unknown } = {},
  ) {
    super(why, { cause: options.cause });
    this.outage = outage;
    this.remedy = remedy;
    this.outcome = options.outcome ?? 'not_done';
  }
}

/** A value that must be unique exists already. */
export class UniqueConflict extends Error {
  override readonly name = 'UniqueConflict';
  /** Index or constraint, e.g. `credential_realm_name_key`; null when the engine named only columns. */
  readonly constraint: string | null;
  /** Columns, if the engine named them. */
  readonly columns: readonly string[];
  constructor(constraint: string | null, columns: readonly string[], cause?: unknown) {
    super(`already exists: ${constraint ?? columns.join(', ')}`, { cause });
    this.constraint = constraint;
    this.columns = columns;
  }
}

/** A rule of the tables refused the write (append-only, overdraft, third live version …). A fault of the caller's code. */
export class RuleBroken extends Error {
  override readonly name = 'RuleBroken';
  readonly rule: string;
  constructor(rule: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.rule = rule;
  }
}

export class RealmUnknown extends Error {
  override readonly name = 'RealmUnknown';
  constructor(realm: string) {
    super(`no realm "${realm}"`);
  }
}

/** The log or the tables are not what this program can vouch for: stop and tell the operator. */
export class StoreCorrupt extends Error {
  override readonly name = 'StoreCorrupt';
}

/** The database cannot be opened as it is; the message says what to do. */
export class CannotOpen extends Error {
  override readonly name = 'CannotOpen';
}
