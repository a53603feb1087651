/** Something that has at most one deadline. The wheel owns `armedMs`; everybody else leaves it alone. */
export interface Timed {
  /** Wheel time of the deadline; 0 = none. */
  dueMs: number;
  armedMs: number;
  onDeadline(): void;
}

const SLOTS = 1024;

/**
 * One coarse timer for all connections of a worker. Moving a deadline later, which every request does several times, is one
 * store: the entry stays in its old slot and is put into a later one when that slot comes up. `tickMs` is the error.
 */
export class TimerWheel {
  readonly #slots: Timed[][] = Array.from({ length: SLOTS }, () => []);
  readonly #tickMs: number;
  #tick = 0;
  /** Monotonic milliseconds, as of the last tick. */
  nowMs: number;

  constructor(tickMs: number, nowMs: number) {
    this.#tickMs = tickMs;
    this.nowMs = nowMs;
    this.#tick = Math.floor(nowMs / tickMs);
  }

  /** Deadline `afterMs` from now, in place of any other. */
  set(timed: Timed, afterMs: number): void {
    const due = this.nowMs + afterMs;
    timed.dueMs = due;
    if (timed.armedMs === 0 || timed.armedMs > due + this.#tickMs) this.#arm(timed);
  }

  clear(timed: Timed): void {
    timed.dueMs = 0;
  }

  #arm(timed: Timed): void {
    const ticks = Math.min(Math.max(Math.ceil(timed.dueMs / this.#tickMs), this.#tick + 1), this.#tick + SLOTS - 1);
    timed.armedMs = ticks * this.#tickMs;
    this.#slots[ticks % SLOTS]!.push(timed);
  }

  /** Call about every `tickMs` with a monotonic clock; runs what is due. */
  advance(nowMs: number): void {
    this.nowMs = nowMs;
    const until = Math.floor(nowMs / this.#tickMs);
    // After a long stall one turn of the wheel sees every slot.
    if (until - this.#tick > SLOTS) this.#tick = until - SLOTS;
    while (this.#tick < until) {
      this.#tick++;
      const slot = this.#slots[this.#tick % SLOTS]!;
      if (slot.length === 0) continue;
      this.#slots[this.#tick % SLOTS] = [];
      for (const timed of slot) this.#run(timed);
    }
  }

  #run(timed: Timed): void {
    if (timed.armedMs === 0 || timed.armedMs > this.nowMs) return; // moved to an earlier slot since, and armed anew there
    timed.armedMs = 0;
    if (timed.dueMs === 0) return;
    if (timed.dueMs > this.nowMs) {
      this.#arm(timed);
      return;
    }
    timed.dueMs = 0;
    timed.onDeadline();
  }
}
