import type { Usage } from '@fluxgate/protocol/sync';
import type { UsageEntry } from './thread-messages.ts';

const ENTRIES_PER_REPORT_MAX = 5000;
const REPORT_EVERY_MS = 1000;
/** Keys of which something is kept while the control plane is away; what comes beyond that is counted in `dropped`. */
const ENTRIES_MAX = 500_000;

export interface UsageDeskParts {
  readonly bootId: string;
  /** Larger than any number a former thread of this boot used; reports count up from it. */
  readonly firstSeq: number;
  readonly monotonicMs: () => number;
  /** False: not connected. */
  readonly send: (message: Usage) => boolean;
}

/**
 * Counts of use on their way to the control plane. One report is under way at a time and is kept, unchanged, until it is acknowledged: sent
 * again under the same number it counts once.
 */
export class UsageDesk {
  readonly #parts: UsageDeskParts;
  #waiting = new Map<string, UsageEntry>();
  #report: Usage | null = null;
  #sentOn = 0;
  #connection = 0;
  #seq: number;
  #lastMs = Number.NEGATIVE_INFINITY;
  dropped = 0;

  constructor(parts: UsageDeskParts) {
    this.#parts = parts;
    this.#seq = parts.firstSeq;
  }

  add(entries: readonly UsageEntry[]): void {
    for (const entry of entries) {
      const key = `${entry.kid}/${entry.day}`;
      const before = this.#waiting.get(key);
      if (before !== undefined) this.#waiting.set(key, merged(before, entry));
      else if (this.#waiting.size < ENTRIES_MAX) this.#waiting.set(key, entry);
      else this.dropped += 1;
    }
    this.tick();
  }

  connected(): void {
    this.#connection += 1;
    this.#lastMs = Number.NEGATIVE_INFINITY;
    this.tick();
  }

  acknowledged(seq: number): void {
    if (this.#report?.seq !== seq) return;
    this.#report = null;
    // A backlog goes out as fast as it is acknowledged.
    if (this.#waiting.size >= ENTRIES_PER_REPORT_MAX) this.#lastMs = Number.NEGATIVE_INFINITY;
    this.tick();
  }

  /** The first use after a quiet second is told at once, further ones once a second. */
  tick(): void {
    const nowMs = this.#parts.monotonicMs();
    if (this.#report === null) {
      if (this.#waiting.size === 0 || nowMs - this.#lastMs < REPORT_EVERY_MS) return;
      this.#report = this.#next();
      this.#sentOn = -1;
    }
    if (this.#sentOn === this.#connection) return; // under way
    if (!this.#parts.send(this.#report)) return;
    this.#sentOn = this.#connection;
    this.#lastMs = nowMs;
  }

  /** Before the end: everything that is left, without waiting for the second to pass. */
  flush(): void {
    this.#lastMs = Number.NEGATIVE_INFINITY;
    this.tick();
  }

  get isEmpty(): boolean {
    return this.#report === null && this.#waiting.size === 0;
  }

  #next(): Usage {
    const entries: Usage['entries'] = [];
    for (const [key, entry] of this.#waiting) {
      entries.push({ ...entry });
      this.#waiting.delete(key);
      if (entries.length === ENTRIES_PER_REPORT_MAX) break;
    }
    this.#seq += 1;
    return { t: 'usage', bootId: this.#parts.bootId, seq: this.#seq, entries };
  }
}

function merged(a: UsageEntry, b: UsageEntry): UsageEntry {
  const later = b.lastUsedS >= a.lastUsedS ? b : a;
  return { ...later, allowed: a.allowed + b.allowed, refused: a.refused + b.refused };
}
