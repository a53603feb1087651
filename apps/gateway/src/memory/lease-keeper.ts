import type { LeaseHandles } from './handles.ts';
import {
  AUTHORITY,
  DEADLINE,
  EXHAUSTED_UNTIL,
  FOREVER,
  GENERATION_STEP,
  LEFT,
  LeaseCells,
  LOW_TOLD,
  LOW_WATER,
  REACH,
  SPENT,
  SUBJECT_CHARS_MAX,
  TOKENS,
  TOKENS_MASK,
} from './lease-layout.ts';

/** Tokens to give back: no worker can spend them any more. */
export interface ReturnedTokens {
  readonly subject: string;
  readonly leaseId: string;
  readonly amount: number;
}

export interface LeaseIn {
  readonly leaseId: string;
  readonly tokens: number;
  /** Monotonic; Infinity for a budget, which knows no window. */
  readonly deadlineMs: number;
  /** Not yet handed out to any node. */
  readonly left: number;
  readonly idleReturnMs: number;
}

interface Entry {
  readonly cell: number;
  /** Leases whose tokens may still be in the cell, oldest first. */
  leases: { readonly id: string; readonly granted: number }[];
  deadlineMs: number;
  exhaustedUntilMs: number;
  idleReturnMs: number;
  spentSeen: number;
  lastUseMs: number;
  ratePerS: number;
  observedMs: number;
}

/** A cell without tokens and without news is freed after this. */
const FORGET_AFTER_MS = 60_000;
const RATE_WEIGHT = 0.5;
const LEASES_KEPT_MAX = 64;

/** The sync thread's side of the lease cells: the only one that makes cells and adds tokens. */
export class LeaseKeeper {
  readonly #cells: LeaseCells;
  readonly #entries = new Map<string, Entry>();

  /** Over memory that a former sync thread used, its cells are adopted: their tokens stay spendable, but cannot be returned. */
  constructor(handles: LeaseHandles, nowMs: number) {
    this.#cells = new LeaseCells(handles);
    for (let cell = 0; cell < this.#cells.count; cell++) {
      if (this.#cells.tags[cell] === 0) continue;
      const entry = newEntry(cell, nowMs);
      const deadline = this.#cells.words[this.#cells.base(cell) + DEADLINE]!;
      entry.deadlineMs = deadline === FOREVER ? Number.POSITIVE_INFINITY : nowMs + (deadline - this.#cells.tenths(nowMs)) * 100;
      entry.idleReturnMs = Number.POSITIVE_INFINITY;
      this.#entries.set(this.#cells.readName(cell), entry);
    }
  }

  /** Whether there is anybody to ask: decides between `empty` and `lost`. */
  setAuthority(reachable: boolean): void {
    Atomics.store(this.#cells.words, AUTHORITY, reachable ? 1 : 0);
  }

  /** Adds tokens; false when no cell is free for the subject (then they are lost). */
  grant(subject: string, lease: LeaseIn, nowMs: number): boolean {
    const entry = this.#entryOf(subject, nowMs);
    if (entry === null) return false;
    const { words } = this.#cells;
    const base = this.#cells.base(entry.cell);
    // What was left of a window that ended is not carried over by a later deadline.
    if (nowMs >= entry.deadlineMs) this.#take(base, TOKENS_MASK);
    entry.deadlineMs = lease.deadlineMs;
    entry.idleReturnMs = lease.idleReturnMs;
    entry.lastUseMs = nowMs;
    entry.exhaustedUntilMs = 0;
    entry.leases.push({ id: lease.leaseId, granted: lease.tokens });
    if (entry.leases.length > LEASES_KEPT_MAX) entry.leases.shift();
    Atomics.store(words, base + DEADLINE, this.#cells.tenths(lease.deadlineMs));
    Atomics.store(words, base + EXHAUSTED_UNTIL, 0);
    Atomics.store(words, base + LEFT, Math.min(lease.left, 0xffff_ffff) | 0);
    for (;;) {
      const seen = Atomics.load(words, base + TOKENS);
      const sum = Math.min((seen & TOKENS_MASK) + lease.tokens, TOKENS_MASK);
      Atomics.store(words, base + LOW_WATER, sum >>> 2);
      Atomics.store(words, base + LOW_TOLD, 0);
      if (Atomics.compareExchange(words, base + TOKENS, seen, (seen & ~TOKENS_MASK) | sum) === seen) return true;
    }
  }

  /** Workers answer `exhausted` without asking until then; tokens that are still there can be spent. */
  markExhausted(subject: string, untilMs: number, nowMs: number): void {
    const entry = this.#entryOf(subject, nowMs);
    if (entry === null) return;
    entry.exhaustedUntilMs = untilMs;
    const base = this.#cells.base(entry.cell);
    Atomics.store(this.#cells.words, base + LEFT, 0);
    Atomics.store(this.#cells.words, base + EXHAUSTED_UNTIL, this.#cells.tenths(untilMs));
  }

  /** A prefetch came to nothing: the next spend below the mark may ask again. */
  rearm(subject: string): void {
    const entry = this.#entries.get(subject);
    if (entry !== undefined) Atomics.store(this.#cells.words, this.#cells.base(entry.cell) + LOW_TOLD, 0);
  }

  tokens(subject: string): number {
    const entry = this.#entries.get(subject);
    return entry === undefined ? 0 : Atomics.load(this.#cells.words, this.#cells.base(entry.cell) + TOKENS) & TOKENS_MASK;
  }

  /** Whether a worker could spend one now. */
  isSpendable(subject: string, nowMs: number): boolean {
    const entry = this.#entries.get(subject);
    return entry !== undefined && nowMs < entry.deadlineMs && this.tokens(subject) > 0;
  }

  /** Smoothed requests per second, as `observe` saw it. */
  ratePerS(subject: string): number {
    return this.#entries.get(subject)?.ratePerS ?? 0;
  }

  /** Call about once a second: measures use, and frees cells that nobody needs. */
  observe(nowMs: number): void {
    for (const [subject, entry] of this.#entries) {
      const base = this.#cells.base(entry.cell);
      const spent = Atomics.load(this.#cells.words, base + SPENT);
      const used = (spent - entry.spentSeen) | 0;
      const elapsedS = (nowMs - entry.observedMs) / 1000;
      if (used !== 0) entry.lastUseMs = nowMs;
      if (elapsedS > 0) entry.ratePerS += ((used >>> 0) / elapsedS - entry.ratePerS) * RATE_WEIGHT;
      entry.spentSeen = spent;
      entry.observedMs = nowMs;
      const ended = nowMs >= entry.deadlineMs;
      const quiet = nowMs - entry.lastUseMs > FORGET_AFTER_MS && nowMs >= entry.exhaustedUntilMs;
      const holds = (Atomics.load(this.#cells.words, base + TOKENS) & TOKENS_MASK) > 0;
      if (ended || (quiet && !holds)) this.#free(subject, entry);
    }
  }

  /** Takes what nobody has spent from for as long as its lease allows. Each token is given back at most once. */
  takeBackIdle(nowMs: number): ReturnedTokens[] {
    return this.#takeBack((entry) => nowMs - entry.lastUseMs >= entry.idleReturnMs && nowMs < entry.deadlineMs);
  }

  /** Before the node stops. */
  takeBackAll(): ReturnedTokens[] {
    return this.#takeBack((entry) => entry.leases.length > 0);
  }

  #takeBack(due: (entry: Entry) => boolean): ReturnedTokens[] {
    const returned: ReturnedTokens[] = [];
    for (const [subject, entry] of this.#entries) {
      if (!due(entry)) continue;
      // First they cannot be spent any more, then they are counted.
      // A token that was put back after its lease had been returned stays where it is.
      const returnable = entry.leases.reduce((sum, lease) => sum + lease.granted, 0);
      let amount = this.#take(this.#cells.base(entry.cell), returnable);
      for (const lease of entry.leases.reverse()) {
        const part = Math.min(amount, lease.granted);
        if (part > 0) returned.push({ subject, leaseId: lease.id, amount: part });
        amount -= part;
      }
      entry.leases = [];
    }
    return returned;
  }

  /** Takes up to `max` tokens out of a cell and tells how many they were. */
  #take(base: number, max: number): number {
    const { words } = this.#cells;
    for (;;) {
      const seen = Atomics.load(words, base + TOKENS);
      const amount = Math.min(seen & TOKENS_MASK, max);
      if (Atomics.compareExchange(words, base + TOKENS, seen, seen - amount) === seen) return amount;
    }
  }

  #entryOf(subject: string, nowMs: number): Entry | null {
    const known = this.#entries.get(subject);
    if (known !== undefined) return known;
    if (subject.length === 0 || subject.length > SUBJECT_CHARS_MAX || !/^[\x20-\x7e]+$/.test(subject)) return null;
    const cells = this.#cells;
    const home = cells.home(subject);
    const tag = cells.tag;
    for (let n = 0; n < Math.min(REACH, cells.count); n++) {
      const cell = (home + n) % cells.count;
      if (cells.tags[cell] !== 0) continue;
      const base = cells.base(cell);
      this.#handOver(base);
      cells.writeName(cell, subject);
      for (const word of [EXHAUSTED_UNTIL, SPENT, LOW_WATER, LOW_TOLD, DEADLINE, LEFT])
        Atomics.store(cells.words, base + word, 0);
      Atomics.store(cells.tags, cell, tag);
      const entry = newEntry(cell, nowMs);
      this.#entries.set(subject, entry);
      return entry;
    }
    return null;
  }

  #free(subject: string, entry: Entry): void {
    Atomics.store(this.#cells.tags, entry.cell, 0);
    this.#handOver(this.#cells.base(entry.cell));
    this.#entries.delete(subject);
  }

  /** Next generation, no tokens: whoever still holds the old word cannot spend with it. */
  #handOver(base: number): void {
    const { words } = this.#cells;
    for (;;) {
      const seen = Atomics.load(words, base + TOKENS);
      if (Atomics.compareExchange(words, base + TOKENS, seen, (seen & ~TOKENS_MASK) + GENERATION_STEP) === seen) return;
    }
  }
}

function newEntry(cell: number, nowMs: number): Entry {
  return {
    cell,
    leases: [],
    deadlineMs: Number.POSITIVE_INFINITY,
    exhaustedUntilMs: 0,
    idleReturnMs: Number.POSITIVE_INFINITY,
    spentSeen: 0,
    lastUseMs: nowMs,
    ratePerS: 0,
    observedMs: nowMs,
  };
}
