import { monotonicClock } from './clock.ts';
import type { LeaseHandles } from './handles.ts';
import {
  AUTHORITY,
  DEADLINE,
  EXHAUSTED_UNTIL,
  LEFT,
  LeaseCells,
  LOW_TOLD,
  LOW_WATER,
  REACH,
  SPENT,
  TOKENS,
  TOKENS_MASK,
} from './lease-layout.ts';
import type { LeaseTable } from './ports.ts';

class Table implements LeaseTable {
  readonly #cells: LeaseCells;
  readonly #onLow: (subject: string) => void;
  readonly #monotonicMs: () => number;

  constructor(handles: LeaseHandles, onLow: (subject: string) => void, monotonicMs: () => number) {
    this.#cells = new LeaseCells(handles);
    this.#onLow = onLow;
    this.#monotonicMs = monotonicMs;
  }

  spend(subject: string): 'ok' | 'empty' | 'exhausted' | 'lost' {
    const { words } = this.#cells;
    for (;;) {
      const cell = this.#find(subject);
      if (cell < 0) break;
      const base = this.#cells.base(cell);
      // In this order: the word first, then whose it is. If the cell changes hands after that, the generation in the word does not fit any more.
      const seen = Atomics.load(words, base + TOKENS);
      if (Atomics.load(this.#cells.tags, cell) === 0 || !this.#cells.isNamed(cell, subject)) continue;
      const tokens = seen & TOKENS_MASK;
      const now = this.#cells.tenths(this.#monotonicMs());
      if (tokens > 0 && now < Atomics.load(words, base + DEADLINE)) {
        if (Atomics.compareExchange(words, base + TOKENS, seen, seen - 1) !== seen) continue;
        Atomics.add(words, base + SPENT, 1);
        if (tokens - 1 <= Atomics.load(words, base + LOW_WATER) && Atomics.compareExchange(words, base + LOW_TOLD, 0, 1) === 0)
          this.#onLow(subject);
        return 'ok';
      }
      const exhausted = now < Atomics.load(words, base + EXHAUSTED_UNTIL);
      if (Atomics.load(words, base + TOKENS) !== seen) continue;
      if (exhausted) return 'exhausted';
      break;
    }
    return Atomics.load(words, AUTHORITY) === 1 ? 'empty' : 'lost';
  }

  refund(subject: string): void {
    const { words } = this.#cells;
    for (;;) {
      const cell = this.#find(subject);
      if (cell < 0) return;
      const base = this.#cells.base(cell);
      const seen = Atomics.load(words, base + TOKENS);
      if (Atomics.load(this.#cells.tags, cell) === 0 || !this.#cells.isNamed(cell, subject)) continue;
      if ((seen & TOKENS_MASK) === TOKENS_MASK) return;
      if (Atomics.compareExchange(words, base + TOKENS, seen, seen + 1) !== seen) continue;
      Atomics.sub(words, base + SPENT, 1);
      return;
    }
  }

  left(subject: string): number {
    const cell = this.#find(subject);
    if (cell < 0) return 0;
    const base = this.#cells.base(cell);
    const { words } = this.#cells;
    return (Atomics.load(words, base + LEFT) >>> 0) + (Atomics.load(words, base + TOKENS) & TOKENS_MASK);
  }

  #find(subject: string): number {
    const cells = this.#cells;
    let cell = cells.home(subject);
    const tag = cells.tag;
    for (let n = 0; n < REACH; n++) {
      if (cell >= cells.count) cell -= cells.count;
      if (Atomics.load(cells.tags, cell) === tag && cells.isNamed(cell, subject)) return cell;
      cell += 1;
    }
    return -1;
  }
}

/** One per worker. `onLow` is called once, in one worker, when a lease falls below a quarter: fetch the next before it is needed. */
export function attachLeases(
  handles: LeaseHandles,
  onLow: (subject: string) => void,
  monotonicMs: () => number = monotonicClock(),
): LeaseTable {
  return new Table(handles, onLow, monotonicMs);
}
