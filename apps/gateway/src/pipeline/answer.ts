import { type CompiledRoute, type Plan, REFUSALS, type RefusalCode, retryAfter } from '@fluxgate/policy';
import type { Answer } from '../seam.ts';
import { corsHeaders } from './edges.ts';
import type { Exchange } from './exchange.ts';

/** What a body may say beyond its code. */
export interface Details {
  readonly traceId: string;
  readonly because: string;
  readonly route: CompiledRoute | null;
  /** The caller owns the key it showed: it may be told what became of it. */
  readonly proven: boolean;
  readonly retryAfterMs?: number;
  readonly scope?: string | null;
  readonly allow?: string | null;
  readonly rateHeader?: string;
  readonly policyHeader?: string;
}

/** Makes every answer the gateway gives itself; one per worker, told the plan when it changes. */
export class Answers {
  readonly #realm: string;
  #plan: Plan | null = null;

  constructor(realm: string) {
    this.#realm = realm;
  }

  setPlan(plan: Plan): void {
    this.#plan = plan;
  }

  ofExchange(x: Exchange, code: RefusalCode): Answer {
    const answer = this.refuse(code, {
      traceId: x.facts.traceId,
      because: x.possession === 'proven' ? `${x.because} (key ${x.kid} of ${x.name})` : x.because,
      route: x.route,
      proven: x.possession === 'proven',
      retryAfterMs: x.retryAfterMs,
      scope: code === 'insufficient_scope' ? x.missingScope : null,
      allow: x.allow,
      rateHeader: x.rateHeader,
      policyHeader: x.policyHeader,
    });
    // A page must be able to read why it was refused.
    return x.route === null || x.route.cors === null ? answer : { ...answer, headers: [...answer.headers, ...corsHeaders(x)] };
  }

  refuse(code: RefusalCode, details: Details): Answer {
    const refusal = REFUSALS[code];
    const apiKey = this.#plan?.apiKey ?? null;
    const aboutKey = refusal.status === 401;
    const configured = aboutKey && apiKey !== null;
    const headers = ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'X-FluxGate-Trace-Id', details.traceId];
    if (aboutKey || code === 'insufficient_scope') headers.push('WWW-Authenticate', this.#challenge(code, details));
    if (aboutKey && details.proven) headers.push('X-FluxGate-Reason', code);
    if (details.retryAfterMs !== undefined && details.retryAfterMs > 0)
      headers.push('Retry-After', retryAfter(details.retryAfterMs));
    else if (refusal.status === 429 || (refusal.status === 503 && refusal.retryable)) headers.push('Retry-After', '1');
    if (details.allow) headers.push('Allow', details.allow);
    if (details.policyHeader) headers.push('RateLimit-Policy', details.policyHeader, 'RateLimit', details.rateHeader ?? '');
    const body = configured
      ? apiKey.errorTemplate.render(details.traceId, details.proven ? code : 'invalid_api_key')
      : plainBody(code, details);
    const status = configured ? apiKey.errorResponse.status : refusal.status;
    return { kind: 'answer', status, headers, body, route: details.route, code, because: details.because };
  }

  /** RFC 9110 §11.6.1. `ApiKey` is no registered scheme: it tells a human where the key belongs. */
  #challenge(code: RefusalCode, details: Details): string {
    let challenge = `ApiKey realm="${this.#realm}"`;
    const header = this.#plan?.apiKey?.headerName;
    if (header !== undefined) challenge += `, header="${header}"`;
    if (details.proven) challenge += `, error="${code}"`;
    if (details.scope) challenge += `, scope="${details.scope}"`; // scope tokens hold neither quotes nor backslashes, RFC 6749 §3.3
    return challenge;
  }
}

function plainBody(code: RefusalCode, details: Details): string {
  return JSON.stringify({ error: code, trace_id: details.traceId, ...(details.scope ? { scope: details.scope } : {}) });
}
