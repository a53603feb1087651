import type { Quota, QuotaWindow, Rate } from './model.ts';

/** Words for durations, rates and quotas. A text that could mean two things is refused and told what to write. */

export interface UnitFault {
  readonly ok: false;
  readonly why: string;
  readonly remedy: string;
}
export type UnitResult<T> = { readonly ok: true; readonly value: T } | UnitFault;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** `mo` is 30 days, so that a duration is a number whatever month it starts in. */
const DURATION: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY, mo: 30 * DAY };
/** Ten thousand years would pass every other check and help nobody. */
const DURATION_MAX_MS = 100 * 365 * DAY;
const COUNT_MAX = 1_000_000_000_000;

const fault = (why: string, remedy: string): UnitFault => ({ ok: false, why, remedy });
const quoted = (text: string): string => `"${text.length > 40 ? `${text.slice(0, 40)}…` : text}"`;

/** Milliseconds. `60s`, `5m`, `24h`, `90d`, `12w`, `6mo`, `500ms`. */
export function parseDuration(text: string): UnitResult<number> {
  const found = /^(0|[1-9][0-9]{0,15})(ms|s|mo|m|h|d|w)$/.exec(text);
  if (found !== null) {
    const value = Number(found[1]) * (DURATION[found[2] as string] as number);
    if (value > DURATION_MAX_MS)
      return fault(`${quoted(text)} is longer than 100 years`, 'write a shorter duration, such as 90d');
    return { ok: true, value };
  }
  if (/^[0-9]{1,9}$/.test(text))
    return fault(`${quoted(text)} has no unit`, `write ${Number(text)}s for seconds, or one of ms, m, h, d, w, mo`);
  if (/^-/.test(text)) return fault(`${quoted(text)} is negative`, 'write a duration such as 60s, 5m, 24h or 90d');
  const total = compound(text);
  if (total !== null) return fault(`${quoted(text)} is not one whole number and one unit`, `write ${formatDuration(total)}`);
  const upper = /^([0-9]{1,9})(MS|S|M|H|D|W|MO)$/.exec(text);
  if (upper !== null && upper[2] !== 'M')
    return fault(`units are lower case, not ${quoted(text)}`, `write ${Number(upper[1])}${(upper[2] as string).toLowerCase()}`);
  if (upper !== null)
    return fault(
      `${quoted(text)} may mean minutes or months`,
      `write ${Number(upper[1])}m for minutes or ${Number(upper[1])}mo for months`,
    );
  const year = /^([0-9]{1,2}|100)(y|yr|year|years)$/.exec(text);
  if (year !== null) return fault('a year is no unit here, because years differ in length', `write ${Number(year[1]) * 365}d`);
  const word = /^([0-9]{1,9}) ?(second|sec|minute|min|hour|hr|day|week|month)s?$/.exec(text);
  if (word !== null) {
    const unit = { second: 's', sec: 's', minute: 'm', min: 'm', hour: 'h', hr: 'h', day: 'd', week: 'w', month: 'mo' }[
      word[2] as string
    ];
    return fault(`${quoted(text)} spells its unit out`, `write ${Number(word[1])}${unit}`);
  }
  return fault(`${quoted(text)} is not a duration`, 'write a number and a unit, such as 60s, 5m, 24h, 90d, 12w, 6mo or 500ms');
}

/** `1h30m` and `1.5h` in milliseconds, for the hint only. */
function compound(text: string): number | null {
  if (text.length > 40 || !/^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|mo|m|h|d|w))+$/.test(text)) return null;
  let total = 0;
  for (const part of text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|mo|m|h|d|w)/g))
    total += Number(part[1]) * (DURATION[part[2] as string] as number);
  total = Math.round(total);
  return total >= 0 && total <= DURATION_MAX_MS ? total : null;
}

/** The largest unit that divides it: `90d`, `36h`, `1500ms`. `parseDuration` reads it back exactly. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = DURATION[unit] as number;
    if (whole % size === 0) return `${whole / size}${unit}`;
  }
  return `${whole}ms`;
}

const RATE_UNIT: Readonly<Record<string, number>> = { ms: 1, s: SECOND, min: MINUTE, h: HOUR, d: DAY };

/** `500/min`, `100/s`, `5000/h`, and `5/10s` for a longer interval. Never zero. */
export function parseRate(text: string): UnitResult<Rate> {
  const found = /^([0-9]{1,13})\/([1-9][0-9]{0,5})?(ms|s|min|h|d)$/.exec(text);
  if (found !== null) {
    const limit = Number(found[1]);
    if (limit === 0)
      return fault(`${quoted(text)} lets nothing through`, 'write a rate of at least 1, or remove the route or its keys');
    if (limit > COUNT_MAX) return fault(`${quoted(text)} is beyond ${COUNT_MAX}`, 'leave the limit out if none is meant');
    const perMs = Number(found[2] ?? 1) * (RATE_UNIT[found[3] as string] as number);
    if (perMs > 31 * DAY)
      return fault(`${quoted(text)} counts over more than 31 days`, 'use a quota for long windows, such as 50000/mo');
    return { ok: true, value: { limit, perMs } };
  }
  const minutes = /^([0-9]+)\/[0-9]*m$/.exec(text);
  if (minutes !== null)
    return fault('"/m" may mean per minute or per month', `write ${minutes[1]}/min, or a quota of ${minutes[1]}/mo`);
  const month = /^([0-9]+)\/(mo|month)$/.exec(text);
  if (month !== null)
    return fault('a rate spreads requests evenly; a month is counted by a quota', `use a quota of ${month[1]}/mo`);
  const word = /^([0-9]+) ?(?:req|reqs|requests)? ?(?:\/|per) ?(s|sec|second|min|minute|h|hr|hour|d|day)s?$/.exec(text);
  if (word !== null) {
    const unit = (word[2] as string).startsWith('min') ? 'min' : (word[2] as string).charAt(0);
    return fault(`${quoted(text)} is not written as a rate`, `write ${word[1]}/${unit}`);
  }
  if (/^[0-9]+$/.test(text)) return fault(`${quoted(text)} does not say per what`, `write ${text}/s, ${text}/min or ${text}/h`);
  return fault(`${quoted(text)} is not a rate`, 'write a number, a slash and a unit, such as 100/s, 500/min or 5000/h');
}

/** `500/min`; an interval that is no unit of its own as `5/10s`. */
export function formatRate(rate: Rate): string {
  for (const [unit, size] of Object.entries(RATE_UNIT)) if (rate.perMs === size) return `${rate.limit}/${unit}`;
  for (const unit of ['d', 'h', 'min', 's']) {
    const size = RATE_UNIT[unit] as number;
    if (rate.perMs % size === 0) return `${rate.limit}/${rate.perMs / size}${unit}`;
  }
  return `${rate.limit}/${rate.perMs}ms`;
}

const WINDOW: Readonly<Record<string, QuotaWindow>> = { h: 'hour', d: 'day', mo: 'month' };

/** `50000/d`, `1000/h`, `2000000/mo`; `unlimited` is null. The zone is UTC: others are set by their own field. */
export function parseQuota(text: string): UnitResult<Quota | null> {
  if (text === 'unlimited') return { ok: true, value: null };
  const found = /^([0-9]{1,13})\/(h|d|mo)$/.exec(text);
  if (found !== null) {
    const limit = Number(found[1]);
    if (limit === 0)
      return fault('a quota of 0 admits nothing', 'suspend or revoke the key instead, or write a quota of at least 1');
    if (limit > COUNT_MAX) return fault(`${quoted(text)} is beyond ${COUNT_MAX}`, 'write unlimited if no quota is meant');
    return { ok: true, value: { limit, window: WINDOW[found[2] as string] as QuotaWindow, zone: 'UTC' } };
  }
  const short = /^([0-9]+)\/(ms|s|sec|second|min|minute)$/.exec(text);
  if (short !== null) {
    return fault(
      'a quota counts per hour, day or month; shorter limits are rates',
      `use a tier or rate_limit with ${short[1]}/${(short[2] as string).startsWith('min') ? 'min' : 's'}`,
    );
  }
  const minutes = /^([0-9]+)\/m$/.exec(text);
  if (minutes !== null) {
    return fault(
      '"/m" may mean per minute or per month',
      `write ${minutes[1]}/mo for a month; for a minute use a tier or rate_limit with ${minutes[1]}/min`,
    );
  }
  const word = /^([0-9]+) ?(?:req|reqs|requests)? ?(?:\/|per) ?(hour|hr|day|month|M|H|D|MO)s?$/.exec(text);
  if (word !== null) {
    const unit = (word[2] as string).toLowerCase();
    return fault(`${quoted(text)} is not written as a quota`, `write ${word[1]}/${unit.startsWith('m') ? 'mo' : unit.charAt(0)}`);
  }
  if (/^[0-9]+\/(w|week|y|year)$/.test(text)) return fault('quotas count per hour, day or month', 'write /d or /mo instead');
  if (/^[0-9]+$/.test(text))
    return fault(`${quoted(text)} does not say per what`, `write ${text}/d for a day, ${text}/h or ${text}/mo`);
  return fault(`${quoted(text)} is not a quota`, 'write a number, a slash and h, d or mo, such as 50000/d, or unlimited');
}

/** `50000/d`, with the zone behind unless it is UTC; `unlimited` for null. */
export function formatQuota(quota: Quota | null): string {
  if (quota === null) return 'unlimited';
  const unit = { hour: 'h', day: 'd', month: 'mo' }[quota.window];
  return `${quota.limit}/${unit}${quota.zone === 'UTC' ? '' : ` (${quota.zone})`}`;
}
