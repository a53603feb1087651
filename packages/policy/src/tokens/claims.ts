import type { CompactJws } from './jws.ts';
import { mediaType } from './jws.ts';
import { type JsonObject, valueAt } from './members.ts';
import type { TokenPreset } from './scopes.ts';

/** What a route asks of a token, compiled once. */
export interface TokenRules {
  readonly issuer: string;
  readonly issuerAlias: string | null;
  readonly audience: ReadonlySet<string>;
  readonly audienceClaims: readonly string[];
  readonly fixed: readonly (readonly [claim: string, value: string])[];
  /** Media types, lower case without `application/`; null: absent, `jwt` or `at+jwt`. */
  readonly typ: ReadonlySet<string> | null;
  readonly requiredClaims: readonly string[];
  readonly clockSkewMs: number;
  /** Longest life (exp − iat) that is believed; null: any. */
  readonly maxLifetimeMs: number | null;
  readonly requiredScopes: readonly string[];
  readonly scopeClaims: readonly string[];
  readonly headers: readonly (readonly [claim: string, header: string])[];
}

/** Why a token whose signature is good does not pass. Told to its bearer in `X-FluxGate-Reason`. */
export type TokenReason =
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'token_lifetime'
  | 'token_type'
  | 'issuer_mismatch'
  | 'audience_mismatch'
  | 'claim_missing'
  | 'claim_invalid';

export interface ClaimsProblem {
  readonly reason: TokenReason;
  /** For `error_description` (RFC 6750 §3: visible ASCII without quotes and backslashes) and the log; holds no value of the token. */
  readonly description: string;
}

const problem = (reason: TokenReason, description: string): ClaimsProblem => ({ reason, description });
const DEFAULT_TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt']);

export interface TokenRulesInput {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly requiredClaims: readonly string[];
  readonly requiredScopes: readonly string[];
  readonly clockSkewMs: number;
  readonly claimsToHeaders: Readonly<Record<string, string>>;
  readonly claimsToScopes: readonly string[];
  readonly typ: readonly string[];
  readonly maxLifetimeMs: number | null;
}

export function compileTokenRules(input: TokenRulesInput, preset: TokenPreset): TokenRules {
  return Object.freeze({
    issuer: input.issuer,
    issuerAlias: Object.hasOwn(preset.issuerAliases, input.issuer) ? (preset.issuerAliases[input.issuer] ?? null) : null,
    audience: new Set(input.audience),
    audienceClaims: preset.audience,
    fixed: Object.freeze(Object.entries(preset.fixed)),
    typ: input.typ.length === 0 ? null : new Set(input.typ.map(mediaType)),
    requiredClaims: Object.freeze([...input.requiredClaims]),
    clockSkewMs: input.clockSkewMs,
    maxLifetimeMs: input.maxLifetimeMs,
    requiredScopes: Object.freeze([...input.requiredScopes]),
    scopeClaims: Object.freeze(input.claimsToScopes.length > 0 ? [...input.claimsToScopes] : [...preset.scopes]),
    headers: Object.freeze(Object.entries(input.claimsToHeaders)),
  });
}

export function isIssuedBy(claims: JsonObject, rules: TokenRules): boolean {
  const iss = Object.hasOwn(claims, 'iss') ? claims['iss'] : undefined;
  return typeof iss === 'string' && (iss === rules.issuer || iss === rules.issuerAlias);
}

/**
 * RFC 7519 §4.1, RFC 8725 §3.8–3.11, RFC 9068 §4. Asked on every request, whatever is cached: time passes and rules change.
 * `nowMs` is the wall clock. null: the token may pass, as far as its claims go.
 */
export function judgeClaims(token: Pick<CompactJws, 'typ' | 'claims'>, rules: TokenRules, nowMs: number): ClaimsProblem | null {
  const { claims } = token;
  if (!isIssuedBy(claims, rules)) return problem('issuer_mismatch', 'The token was issued by someone else');
  const typ =
    rules.typ === null ? token.typ === null || DEFAULT_TYPES.has(token.typ) : token.typ !== null && rules.typ.has(token.typ);
  if (!typ) return problem('token_type', 'A token of this type is not accepted here');
  if (!isMeantForUs(claims, rules)) return problem('audience_mismatch', 'The token is meant for another audience');
  const sub = ownOf(claims, 'sub');
  // A lone surrogate could be told upstream as the same name as another one.
  if (sub !== undefined && !(typeof sub === 'string' && sub.isWellFormed())) return problem('claim_invalid', 'sub is no text');
  for (const [claim, value] of rules.fixed) {
    const found = ownOf(claims, claim);
    if (found !== undefined && found !== value) return problem('token_type', 'A token of this use is not accepted here');
  }
  const late = judgeTimes(claims, rules, nowMs);
  if (late !== null) return late;
  for (const name of rules.requiredClaims) {
    const value = valueAt(claims, name);
    if (value === undefined || value === null) return problem('claim_missing', 'A claim that this route requires is missing');
  }
  return null;
}

function judgeTimes(claims: JsonObject, rules: TokenRules, nowMs: number): ClaimsProblem | null {
  const nowS = Math.floor(nowMs / 1000);
  const skewS = rules.clockSkewMs / 1000;
  const exp = ownOf(claims, 'exp');
  const nbf = ownOf(claims, 'nbf');
  const iat = ownOf(claims, 'iat');
  if (exp === undefined) return problem('claim_missing', 'The token never expires');
  if (!isDate(exp) || (nbf !== undefined && !isDate(nbf)) || (iat !== undefined && !isDate(iat)))
    return problem('claim_invalid', 'exp, nbf or iat is no time');
  if (exp <= nowS - skewS) return problem('token_expired', 'The token has expired');
  if (nbf !== undefined && nbf > nowS + skewS) return problem('token_not_yet_valid', 'The token is not valid yet');
  if (rules.maxLifetimeMs === null) return null;
  if (iat === undefined) return problem('claim_missing', 'The token does not say when it was issued');
  if (iat > nowS + skewS) return problem('token_not_yet_valid', 'The token was issued in the future');
  return exp - iat > rules.maxLifetimeMs / 1000 ? problem('token_lifetime', 'The token lives longer than is allowed here') : null;
}

/** NumericDate (RFC 7519 §2), fractions allowed; 1e400 is none. */
const isDate = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

const ownOf = (claims: JsonObject, name: string): unknown => (Object.hasOwn(claims, name) ? claims[name] : undefined);

function isMeantForUs(claims: JsonObject, rules: TokenRules): boolean {
  for (const name of rules.audienceClaims) {
    const value = ownOf(claims, name);
    if (value === undefined) continue;
    if (typeof value === 'string') return rules.audience.has(value);
    return Array.isArray(value) && value.some((one) => typeof one === 'string' && rules.audience.has(one));
  }
  return false;
}
