import { isIssuedBy, judgeClaims, missingScope, readBearer, scopesOf } from '@fluxgate/policy';
import type { TokenPort } from '../tokens/ports.ts';
import type { Exchange, RefusalOrPass } from './exchange.ts';
import type { TokenCheck } from './program.ts';

/** What every refusal of a token says that has not proven itself: why it failed is for the log. */
const NOT_VALID = 'The token is not valid here';

/**
 * Field → token → whose it claims to be → signature (cached as a fact) → claims and times (never cached) → scopes. The issuer in
 * the token only selects the check; it counts when the signature is good. What the token's bearer is told follows RFC 6750 §3.1.
 */
export function judgeToken(x: Exchange, check: TokenCheck, tokens: TokenPort | null): RefusalOrPass {
  const asked = openToken(x, tokens);
  if (asked !== null || x.opened === null || tokens === null) return asked ?? 'keys_unavailable';
  x.refusedBy = 'token';
  const { provider, rules } = check;
  const { opened } = x;
  if (opened.read?.ok === false) return invalid(x, opened.read.why);
  const claimed = opened.verified?.claims ?? (opened.read?.ok === true ? opened.read.claims : null);
  if (claimed === null || !isIssuedBy(claimed, rules)) return invalid(x, 'another issuer');

  const verdict = tokens.verify(opened, provider, check.algorithms);
  if (!verdict.ok) {
    if (verdict.worthAsking) x.wants = provider;
    if (verdict.code === 'invalid_token') return invalid(x, verdict.because);
    x.because = verdict.because;
    return 'keys_unavailable';
  }
  const { token } = verdict;
  const problem = judgeClaims(token, rules, x.nowMs);
  if (problem !== null) {
    x.tokenReason = problem.reason;
    x.tokenDescription = problem.description;
    x.because = `${problem.description} (${problem.reason})`;
    return 'invalid_token';
  }
  const scopes = scopesOf(token.claims, rules.scopeClaims);
  const missing = rules.requiredScopes.length === 0 ? null : missingScope(rules.requiredScopes, scopes);
  if (missing !== null) {
    x.missingScope = missing;
    x.because = `scope ${missing} is missing in the token`;
    return 'insufficient_scope';
  }
  const { sub } = token.claims;
  x.token = { typ: token.typ, alg: token.alg, claims: token.claims, subject: typeof sub === 'string' ? sub : '', scopes, check };
  return null;
}

/** Reads the Authorization field, once per request. null: there is a token to look at, in `x.opened`. */
function openToken(x: Exchange, tokens: TokenPort | null): RefusalOrPass {
  if (x.tokenShown === 'unasked') {
    if (x.facts.headerCount('authorization') > 1) x.tokenShown = 'doubled';
    else {
      const bearer = readBearer(x.facts.header('authorization'));
      x.tokenShown = bearer.kind === 'token' ? 'shown' : bearer.kind;
      if (bearer.kind === 'token' && tokens !== null) x.opened = tokens.open(bearer.token);
    }
  }
  x.refusedBy = 'token';
  switch (x.tokenShown) {
    case 'doubled':
      x.because = 'several Authorization fields';
      return 'doubled_credential';
    case 'none':
      x.because = 'no bearer token';
      return 'missing_token';
    case 'malformed':
      return invalid(x, 'not in the form of a bearer token');
    default:
      return null;
  }
}

function invalid(x: Exchange, because: string): RefusalOrPass {
  x.tokenReason = null;
  x.tokenDescription = NOT_VALID;
  x.because = `bearer token: ${because}`;
  return 'invalid_token';
}
