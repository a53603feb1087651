/** Response fields of draft-ietf-httpapi-ratelimit-headers, in the syntax of RFC 9651 (Lists of Strings with parameters). */

export interface RatePolicyField {
  readonly name: string;
  /** `q`: requests per window. */
  readonly limit: number;
  /** `w`: length of the window; left out of the field if null. */
  readonly windowMs: number | null;
}
export interface RateLimitField {
  readonly name: string;
  /** `r`: requests that remain. */
  readonly remaining: number;
  /** `t`: time until the limit is whole again; left out if null. */
  readonly resetMs: number | null;
}

const INTEGER_MAX = 999_999_999_999_999; // RFC 9651 §3.3.1

function integer(value: number): string {
  if (!(value > 0)) return '0';
  return String(Math.min(INTEGER_MAX, Math.floor(value)));
}
/** Whole seconds, rounded up: nobody shall come back too early. */
const seconds = (ms: number): string => integer(Math.ceil(ms / 1000));

/** RFC 9651 §4.1.6: visible ASCII, quote and backslash escaped; anything else becomes `_`, because a name must not break a field. */
function string(name: string): string {
  return `"${name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\]/g, '\\$&')}"`;
}

/** `"day";q=50000;w=86400` */
export function rateLimitPolicy(policies: readonly RatePolicyField[]): string {
  return policies
    .map((one) => `${string(one.name)};q=${integer(one.limit)}${one.windowMs === null ? '' : `;w=${seconds(one.windowMs)}`}`)
    .join(', ');
}

/** `"day";r=49999;t=3600` */
export function rateLimit(limits: readonly RateLimitField[]): string {
  return limits
    .map((one) => `${string(one.name)};r=${integer(one.remaining)}${one.resetMs === null ? '' : `;t=${seconds(one.resetMs)}`}`)
    .join(', ');
}

/** RFC 9110 §10.2.3 delay-seconds: at least 1. */
export function retryAfter(ms: number): string {
  return String(Math.max(1, Math.ceil(Number.isFinite(ms) ? ms / 1000 : 1)));
}
