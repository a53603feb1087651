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

/**
 * Generic cell rate algorithm (ITU-T I.371) on one number per cell: `burst` requests at once, then one every
 * `perMs / limit`. `tatMs` 0 is an untouched cell. `burst` below 1 counts as 1.
 *
 * Times near 2^41 ms have a spacing of 0.24 µs; the tolerance absorbs what that adds up to within one burst, so exactly
 * `burst` requests of one instant pass, and it stays below half an interval, so that never one more does.
 */
export function gcra(tatMs: number, nowMs: number, rate: Rate, burst: number): GcraVerdict {
  const interval = rate.perMs / rate.limit;
  const size = Math.max(1, burst);
  const tolerance = Math.min(interval / 2, 0.001 + size * 0.00025);
  const base = Math.max(tatMs, nowMs);
  const next = base + interval;
  const room = size * interval;
  const excess = next - nowMs - room;
  if (excess > tolerance) {
    return { allowed: false, tatMs, remaining: 0, retryAfterMs: excess, resetMs: base - nowMs };
  }
  const remaining = Math.max(0, Math.floor((room - (next - nowMs) + tolerance) / interval));
  return { allowed: true, tatMs: next, remaining, retryAfterMs: 0, resetMs: next - nowMs };
}
