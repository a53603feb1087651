import type { Rate } from '../model.ts';

export interface GcraVerdict {
  readonly allowed: boolean;
  /** Theoretical arrival time to keep: the new one if allowed, the old one if refused. */
  readonly tatMs: number;
  /** Requests that would be admitted at once after this one. */
  readonly remaining: number;
  /** 0 if allowed, else the time until one more request conforms. */
  readonly retryAfterMs: number;
  /** Time until the cell is full again. */
  readonly resetMs: number;
}

/** Doubles near today's milliseconds are multiples of 2^-12. Intervals are kept on that grid, so that every sum below is exact. */
const STEPS_PER_MS = 4096;

/**
 * Generic cell rate algorithm (ITU-T I.371) on one number per cell: `burst` requests at once, then one every
 * `perMs / limit`. `tatMs` 0 is an untouched cell; `burst` below 1 counts as 1.
 *
 * Exactly `burst` requests of one instant pass, and no error adds up however long a cell lives. The interval is rounded
 * down to 0.24 µs, so that a caller at the rate is never refused: the rate is exceeded by less than 0.025 % up to 1,000/s
 * and by at most 0.25 % at 10,000/s.
 */
export function gcra(tatMs: number, nowMs: number, rate: Rate, burst: number): GcraVerdict {
  const interval = Math.max(1, Math.floor((rate.perMs / rate.limit) * STEPS_PER_MS)) / STEPS_PER_MS;
  const room = Math.max(1, burst) * interval;
  const base = Math.max(tatMs, nowMs);
  const next = base + interval;
  const used = next - nowMs;
  // Two callers' clocks of the same instant differ by a step; never as much as an interval, or one request too many would pass.
  if (used - room > Math.min(interval / 2, 2 / STEPS_PER_MS))
    return { allowed: false, tatMs, remaining: 0, retryAfterMs: used - room, resetMs: base - nowMs };
  return {
    allowed: true,
    tatMs: next,
    remaining: Math.max(0, Math.floor((room - used) / interval)),
    retryAfterMs: 0,
    resetMs: used,
  };
}
