import type { Quota, QuotaWindow } from '../model.ts';

export interface WindowAt {
  /** Names the window within its kind: `2026-11-21T13`, `2026-11-21` or `2026-11`, in the quota's zone. */
  readonly id: string;
  /** First instant that no longer belongs to it. */
  readonly endsAtMs: number;
}

const HOUR_MS = 3_600_000;
/** Longer than any window of the kind, with a daylight-saving change inside. */
const HORIZON_MS: Record<QuotaWindow, number> = { hour: 4 * HOUR_MS, day: 27 * HOUR_MS, month: 33 * 24 * HOUR_MS };

/** Formatters are dear to make and hold no state; there are as many as zones in use. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(zone: string): Intl.DateTimeFormat {
  let made = formatters.get(zone);
  if (made === undefined) {
    made = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
    });
    formatters.set(zone, made);
  }
  return made;
}

/** An IANA zone this runtime knows. */
export function isZone(zone: string): boolean {
  try {
    formatterOf(zone);
    return /^[A-Za-z]/.test(zone);
  } catch {
    return false;
  }
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

function idAt(window: QuotaWindow, zone: string, atMs: number): string {
  let year = '';
  let month = '';
  let day = '';
  let hour = '';
  for (const part of formatterOf(zone).formatToParts(atMs)) {
    if (part.type === 'year') year = part.value;
    else if (part.type === 'month') month = part.value;
    else if (part.type === 'day') day = part.value;
    else if (part.type === 'hour') hour = part.value;
  }
  if (window === 'month') return `${year}-${month}`;
  return window === 'day' ? `${year}-${month}-${day}` : `${year}-${month}-${day}T${hour}`;
}

function utc(window: QuotaWindow, nowMs: number): WindowAt {
  const now = new Date(nowMs);
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  const monthId = `${year}-${two(month + 1)}`;
  if (window === 'month') return { id: monthId, endsAtMs: Date.UTC(year, month + 1, 1) };
  const dayId = `${monthId}-${two(day)}`;
  if (window === 'day') return { id: dayId, endsAtMs: Date.UTC(year, month, day + 1) };
  const hour = now.getUTCHours();
  return { id: `${dayId}T${two(hour)}`, endsAtMs: Date.UTC(year, month, day, hour + 1) };
}

/** The last answer per zone and kind: a window is asked for millions of times before it ends. Nothing else is remembered. */
const last = new Map<string, { readonly sinceMs: number; readonly window: WindowAt }>();

/**
 * The calendar window that `nowMs` lies in: every instant whose local time carries the same name. An hour that a clock
 * change repeats is one window of two hours; a day that starts at 01:00 because midnight was skipped ends on time.
 */
export function quotaWindow(quota: Pick<Quota, 'window' | 'zone'>, nowMs: number): WindowAt {
  const key = `${quota.window} ${quota.zone}`;
  const known = last.get(key);
  if (known !== undefined && nowMs >= known.sinceMs && nowMs < known.window.endsAtMs) return known.window;
  const window = Object.freeze(quota.zone === 'UTC' ? utc(quota.window, nowMs) : zoned(quota.window, quota.zone, nowMs));
  last.set(key, { sinceMs: nowMs, window });
  return window;
}

function zoned(window: QuotaWindow, zone: string, nowMs: number): WindowAt {
  const id = idAt(window, zone, nowMs);
  let inside = nowMs;
  let outside = nowMs + HORIZON_MS[window];
  while (outside - inside > 1) {
    const middle = Math.floor((inside + outside) / 2);
    if (idAt(window, zone, middle) === id) inside = middle;
    else outside = middle;
  }
  return { id, endsAtMs: outside };
}
