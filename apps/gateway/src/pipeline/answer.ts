import {
  acceptSignature,
  type BearerError,
  bearerChallenge,
  type CompiledRoute,
  type Plan,
  REFUSALS,
  type RefusalCode,
  retryAfter,
  type SignatureSpec,
} from '@fluxgate/policy';
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
  /** What the route would take: it decides which challenges a 401 holds. Absent: keys. */
  readonly takesKeys?: boolean;
  readonly takesTokens?: boolean;
  /** What a signature would have to cover where the route asks for one, and whether there is a body. */
  readonly signature?: SignatureSpec | null;
  readonly hasBody?: boolean;
  readonly refusedBy?: 'key' | 'token';
  /** Why a token whose signature is good was refused; null: nothing to tell a stranger. */
  readonly tokenReason?: string | null;
  readonly tokenDescription?: string;
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
      takesKeys: x.program?.takesKeys ?? true,
      takesTokens: x.program?.takesTokens ?? false,
      signature: x.program?.signature ?? null,
      hasBody: x.facts.hasBody,
      refusedBy: x.refusedBy,
      tokenReason: x.tokenReason,
      tokenDescription: x.tokenDescription,
      rateHeader: x.rateHeader,
      policyHeader: x.policyHeader,
    });
    // A page must be able to read why it was refused.
    const cors = x.route !== null && x.route.cors !== null;
    const known = x.possession === 'proven' && x.kid !== '';
    if (!cors && !known) return answer;
    const headers = cors ? [...answer.headers, ...corsHeaders(x)] : answer.headers;
    return known ? { ...answer, headers, principal: x.name, kid: x.kid } : { ...answer, headers };
  }

  refuse(code: RefusalCode, details: Details): Answer {
    const refusal = REFUSALS[code];
    const apiKey = this.#plan?.apiKey ?? null;
    const aboutToken = isAboutToken(code, details);
    const aboutKey = refusal.status === 401 && !aboutToken;
    // What is wrong with a signature is told by its own name: a client that signs has to know whether to sign anew.
    const configured = aboutKey && !isAboutSignature(code) && apiKey !== null;
    const headers = ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'X-FluxGate-Trace-Id', details.traceId];
    if (refusal.status === 401 || code === 'insufficient_scope') this.#challenge(code, details, aboutToken, headers);
    if (aboutKey && details.proven) headers.push('X-FluxGate-Reason', code);
    if (code === 'invalid_token' && details.tokenReason) headers.push('X-FluxGate-Reason', details.tokenReason);
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

  /** RFC 9110 §11.6.1: one challenge for each credential that the route takes. `ApiKey` is no registered scheme: it tells a human where the key belongs. */
  #challenge(code: RefusalCode, details: Details, aboutToken: boolean, headers: string[]): void {
    if (details.takesTokens === true) {
      const error: BearerError | null =
        code === 'invalid_token'
          ? { error: 'invalid_token', description: details.tokenDescription || null, scope: null }
          : aboutToken && code === 'insufficient_scope'
            ? { error: 'insufficient_scope', description: null, scope: details.scope ?? null }
            : null;
      headers.push('WWW-Authenticate', bearerChallenge(this.#realm, error));
      if (aboutToken && details.takesKeys === false && !details.signature) return;
    }
    if (aboutToken && code === 'insufficient_scope') return;
    if (details.signature) {
      // RFC 9421 §5.1 says how to sign; `Signature` is no registered scheme.
      headers.push('WWW-Authenticate', `Signature realm="${this.#realm}", alg="hmac-sha256 ed25519", nonce="required"`);
      headers.push('Accept-Signature', acceptSignature(details.signature, details.hasBody ?? true));
    }
    if (details.takesKeys === false) return;
    let challenge = `ApiKey realm="${this.#realm}"`;
    const header = this.#plan?.apiKey?.headerName;
    if (header !== undefined) challenge += `, header="${header}"`;
    if (details.proven && !aboutToken) challenge += `, error="${code}"`;
    if (details.scope && !aboutToken) challenge += `, scope="${details.scope}"`; // scope tokens hold neither quotes nor backslashes, RFC 6749 §3.3
    headers.push('WWW-Authenticate', challenge);
  }
}

const isAboutSignature = (code: RefusalCode): boolean => code.startsWith('signature_');

function isAboutToken(code: RefusalCode, details: Details): boolean {
  return code === 'invalid_token' || code === 'missing_token' || (code === 'insufficient_scope' && details.refusedBy === 'token');
}

function plainBody(code: RefusalCode, details: Details): string {
  return JSON.stringify({ error: code, trace_id: details.traceId, ...(details.scope ? { scope: details.scope } : {}) });
}
