import { formatDuration, parseDuration, parseQuota } from '@fluxgate/policy';
import type { QuotaSpec } from '@fluxgate/protocol/admin';

/** How times, quotas and dates are typed and shown; the arithmetic is policy's. */
export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string; readonly remedy: string };

export const readDuration = (text: string): Read<number> => parseDuration(text);

export function readQuota(text: string): Read<QuotaSpec | null> {
  if (text === 'unlimited') return { ok: true, value: null };
  const found = parseQuota(text);
  if (!found.ok) return found;
  return {
    ok: true,
    value: found.value === null ? null : { limit: found.value.limit, window: found.value.window, zone: found.value.zone },
  };
}

/** `90d` or a date (`2027-01-31`, RFC 3339): milliseconds from now. */
export function readExpiry(text: string, nowMs: number): Read<number> {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return readDuration(text);
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) return { ok: false, why: `${text} is not a date`, remedy: 'write 2027-01-31 or 2027-01-31T12:00:00Z' };
  if (atMs - nowMs < 1000) return { ok: false, why: `${text} is not in the future`, remedy: 'write a later date, or e.g. 90d' };
  return { ok: true, value: atMs - nowMs };
}

export function readCount(text: string): Read<number> {
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text)) return { ok: false, why: `${text} is not a whole number`, remedy: 'write e.g. 100' };
  return { ok: true, value };
}

export const showQuota = (quota: QuotaSpec | null): string => (quota === null ? 'unlimited' : `${quota.limit}/${quota.window}`);
export const showDuration = (ms: number): string => formatDuration(ms);
export const showDate = (at: string | null, none = 'never'): string => (at === null ? none : at.slice(0, 10));
export const showTime = (at: string | null, none = '-'): string => (at === null ? none : at.replace(/(:\d\d)(\.\d+)?Z$/, '$1Z'));
export const showSeconds = (ms: number): string => (ms < 100 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** Distance of a moment from now in its largest unit: `90 d`, `3 h`, `12 s`; past and future alike. */
export function showDistance(at: string, nowMs: number): string {
  const seconds = Math.round(Math.abs(Date.parse(at) - nowMs) / 1000);
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const)
    if (seconds >= size * (unit === 'd' ? 2 : 1)) return `${Math.round(seconds / size)} ${unit}`;
  return `${seconds} s`;
}
export const showAgo = (at: string | null, nowMs: number): string => (at === null ? 'never' : `${showDistance(at, nowMs)} ago`);
export const showList = (items: readonly string[] | null, none = '-'): string =>
  items === null || items.length === 0 ? none : items.join(' ');
