import type { RequestFacts } from '../seam.ts';

/** What happened to one key version since the last report of this worker. */
export interface UsageEntry {
  kid: string;
  allowed: number;
  /** Refused after possession was proven. */
  refused: number;
  lastUsedMs: number;
  lastAddress: string;
  lastUserAgent: string | null;
}

/** More keys than this between two reports are counted but lose their details: memory stays bounded under a spray of keys. */
const ENTRIES_MAX = 20_000;
/** So many keys at once are a crowd: they are told of less often, which makes more uses into one entry. */
const CROWD = 64;
const CROWD_EVERY_MS = 1000;

/** Counts uses per key; the worker sends it to the sync thread a few times a second, far from the request. */
export class UsageBook {
  #entries = new Map<string, UsageEntry>();
  #takenMs = Number.NEGATIVE_INFINITY;
  /** Uses that were not written down because the book was full. */
  overflow = 0;

  /** The user agent is read only when the key is new in this page of the book. */
  note(kid: string, allowed: boolean, nowMs: number, facts: Pick<RequestFacts, 'clientText' | 'header'>): void {
    let entry = this.#entries.get(kid);
    if (entry === undefined) {
      if (this.#entries.size >= ENTRIES_MAX) {
        this.overflow++;
        return;
      }
      const lastUserAgent = facts.header('user-agent')?.slice(0, 200) ?? null;
      entry = { kid, allowed: 0, refused: 0, lastUsedMs: nowMs, lastAddress: '', lastUserAgent };
      this.#entries.set(kid, entry);
    }
    if (allowed) entry.allowed++;
    else entry.refused++;
    entry.lastUsedMs = nowMs;
    entry.lastAddress = facts.clientText;
  }

  /** What is to be told now: a few keys at once, a crowd once a second. */
  takeDue(nowMs: number): UsageEntry[] {
    const { size } = this.#entries;
    if (size === 0) return [];
    const sinceMs = nowMs - this.#takenMs;
    // Below zero the clock was set back. A book that is filling up does not wait.
    if (size > CROWD && size < ENTRIES_MAX / 4 && sinceMs >= 0 && sinceMs < CROWD_EVERY_MS) return [];
    this.#takenMs = nowMs;
    return this.take();
  }

  /** Everything since the last call; empties the book. */
  take(): UsageEntry[] {
    if (this.#entries.size === 0) return [];
    const entries = [...this.#entries.values()];
    this.#entries = new Map();
    return entries;
  }
}
