import { type ApiKeySettings, cidrProblem, DEFAULT_API_KEY_SETTINGS, isZone, parseCidr, type Quota } from '@fluxgate/policy';
import { type FieldError, invalid, type Problem, problem } from '../problem.ts';

const dayMs = 86_400_000;
/** Nodes keep deadlines as seconds in 32 bits. */
const LATEST_MS = 0xfffffffe * 1000;

/** What the configured api_key block lays down for every key. */
export interface Terms {
  readonly maxAgeMs: number;
  readonly maxRequests: number | null;
}

export function termsOf(settings: ApiKeySettings | null): Terms {
  const { maxAgeMs, maxRequests } = settings ?? DEFAULT_API_KEY_SETTINGS;
  return { maxAgeMs, maxRequests };
}

const days = (ms: number): string => (ms % dayMs === 0 ? `${ms / dayMs} d` : `${Math.round(ms / 1000)} s`);

/** The end of a version, on a whole second because nodes count in seconds; at most `max_age` from now. */
export function expiryOf(terms: Terms, nowMs: number, lifetimeMs: number | null): Problem | { readonly notAfterMs: number } {
  const wanted = lifetimeMs ?? terms.maxAgeMs;
  if (wanted <= 0) return invalid([{ field: 'expiresAt', message: 'the end date is not in the future', hint: null }]);
  if (wanted > terms.maxAgeMs) {
    return problem(
      'expiry_exceeds_max_age',
      `the key would live ${days(wanted)}, the configured max_age is ${days(terms.maxAgeMs)}`,
      `ask for at most ${days(terms.maxAgeMs)}, or raise fluxgate.auth.api_key.validation.max_age`,
      { errors: [{ field: 'expiresInMs', message: `at most ${terms.maxAgeMs}`, hint: null }] },
    );
  }
  return { notAfterMs: Math.min(Math.ceil((nowMs + wanted) / 1000) * 1000, LATEST_MS) };
}

/** From when on the key is due for rotation: by its policy, or shortly before it ends; the earlier. */
export function dueAtMs(everyMs: number | null, nowMs: number, notAfterMs: number | null): number | null {
  const byPolicy = everyMs === null ? Number.POSITIVE_INFINITY : nowMs + everyMs;
  const byExpiry = notAfterMs === null ? Number.POSITIVE_INFINITY : notAfterMs - Math.min(14 * dayMs, (notAfterMs - nowMs) / 4);
  const due = Math.min(byPolicy, byExpiry);
  return due === Number.POSITIVE_INFINITY ? null : Math.floor(due);
}

export interface Wishes {
  readonly cidrs?: readonly string[] | null | undefined;
  readonly routes?: readonly string[] | null | undefined;
  readonly quota?: Quota | null | undefined;
  readonly requestBudget?: number | null | undefined;
  readonly rotation?: { readonly everyMs: number; readonly graceMs: number } | null | undefined;
}

/** What a schema cannot see: CIDRs, time zones, names of routes, the policy's budget. All mistakes at once. */
export function wishErrors(wishes: Wishes, terms: Terms, routeNames: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, cidr] of (wishes.cidrs ?? []).entries()) {
    if (parseCidr(cidr) === null)
      errors.push({
        field: `cidrs.${index}`,
        message: cidrProblem(cidr) ?? 'not an address range',
        hint: 'write 10.0.4.0/24 or 2001:db8::/32',
      });
  }
  for (const [index, route] of (wishes.routes ?? []).entries()) {
    if (!routeNames.has(route))
      errors.push({
        field: `routes.${index}`,
        message: `there is no route "${route}"`,
        hint: 'apply the route first; `fluxctl routes list` shows the names',
      });
  }
  if (wishes.quota && !isZone(wishes.quota.zone))
    errors.push({
      field: 'quota.zone',
      message: `"${wishes.quota.zone}" is not a time zone`,
      hint: 'write UTC, or an IANA name such as Europe/Berlin',
    });
  if (wishes.rotation && wishes.rotation.graceMs >= wishes.rotation.everyMs) {
    errors.push({
      field: 'rotation.graceMs',
      message: 'the grace is not shorter than the time between rotations',
      hint: 'a key has at most two live versions: the grace must end before the next rotation',
    });
  }
  const { requestBudget } = wishes;
  if (
    terms.maxRequests !== null &&
    requestBudget !== undefined &&
    (requestBudget === null || requestBudget > terms.maxRequests)
  ) {
    errors.push({ field: 'requestBudget', message: `at most ${terms.maxRequests}, the configured max_requests`, hint: null });
  }
  return errors;
}
