import { type AddressLimit, changedPath, headerValue, isV4 } from '@fluxgate/policy';
import type { RateCounters } from '../memory/ports.ts';
import type { Answer, FlatHeaders, RequestFacts } from '../seam.ts';
import type { Exchange, RefusalOrPass } from './exchange.ts';

const NONE: FlatHeaders = [];

const origin = (facts: RequestFacts): string | undefined =>
  facts.headerCount('origin') === 1 ? facts.header('origin') : undefined;

/** The method that a preflight asks about (Fetch standard, CORS-preflight fetch); null: this is none. Only called for OPTIONS. */
export function askedMethod(facts: RequestFacts): string | null {
  if (facts.header('origin') === undefined || facts.headerCount('access-control-request-method') !== 1) return null;
  return facts.header('access-control-request-method') ?? null;
}

/** What the answer to this request tells browsers; nothing on routes without CORS. */
export function corsHeaders(x: Exchange): FlatHeaders {
  const cors = x.route?.cors ?? null;
  return cors === null ? NONE : cors.answer(origin(x.facts));
}

/** Answered here, before anybody is asked who he is: a preflight carries no credential. */
export function preflight(x: Exchange): Answer {
  const { facts, route } = x;
  const asked =
    facts.headerCount('access-control-request-headers') === 1 ? facts.header('access-control-request-headers') : undefined;
  const headers = route?.cors?.preflight(origin(facts), asked) ?? NONE;
  return { kind: 'answer', status: 204, headers, body: '', route, code: null, because: 'preflight' };
}

/** Who is counted: an IPv4 address, or the /64 that one IPv6 customer has to himself. */
export function addressSubject(facts: RequestFacts): string {
  const { client } = facts;
  return isV4(client) ? facts.clientText : `${client[0].toString(36)}:${client[1].toString(36)}`;
}

/** Before authentication: guessing keys, or making us look for them, costs a stranger his own rate. */
export function takeAddress(x: Exchange, limit: AddressLimit, counters: RateCounters): RefusalOrPass {
  const verdict = counters.take(limit.id, addressSubject(x.facts), limit.rate, limit.burst, x.nowMs);
  if (verdict.allowed) return null;
  x.retryAfterMs = verdict.retryAfterMs;
  x.because = `over the limit of ${limit.rate.limit} in ${limit.rate.perMs} ms for one address`;
  return 'rate_limited';
}

/** The path for the upstream: the canonical one, with the route's prefix cut off or replaced if the route says so. */
export function upstreamPath(x: Exchange): string {
  const { path } = x.facts;
  const change = x.route?.requestTransform?.path ?? null;
  return change === null || path === '*' ? path : changedPath(path, change);
}

/** What upstreams are told besides who is calling: a prefix that was cut off, a certificate that was shown. `set` is returned as it is if there is nothing. */
export function withEdges(x: Exchange, set: FlatHeaders): FlatHeaders {
  const cut = x.route?.requestTransform?.path?.cut ?? '';
  const { clientCert } = x.facts;
  if (cut === '' && clientCert === null) return set;
  const all = [...set];
  if (cut !== '') all.push('X-Forwarded-Prefix', cut);
  if (clientCert !== null) {
    all.push('X-FluxGate-Client-Cert-Fingerprint', clientCert.fingerprint);
    if (clientCert.subject !== '') all.push('X-FluxGate-Client-Cert-Subject', headerValue(clientCert.subject));
    if (clientCert.san !== '') all.push('X-FluxGate-Client-Cert-San', headerValue(clientCert.san));
  }
  return all;
}
