import { claimHeaders, headerValue } from '@fluxgate/policy';
import type { FlatHeaders } from '../seam.ts';
import type { AcceptedToken, Exchange } from './exchange.ts';

const NOBODY: FlatHeaders = [];

/** Who is calling, for the log and for the upstream: the key where one passed, else the subject of the token. null: nobody in particular. */
export function principalOf(x: Exchange): string | null {
  if (x.accepted) return x.name;
  return x.token === null || x.token.subject === '' ? null : x.token.subject;
}

/** What upstreams are told about the caller. Client fields of these names, in any spelling, were stripped by the wire before. */
export function identityHeaders(x: Exchange): FlatHeaders {
  const { token } = x;
  const grant = x.accepted ? x.grant : null;
  if (grant === null) return token === null ? NOBODY : tokenHeaders(token);
  const set = ['X-FluxGate-Principal', headerValue(x.name), 'X-FluxGate-Key-Id', x.kid, 'X-FluxGate-Scopes', grant.scopesHeader];
  if (grant.ownerHeader !== null) set.push('X-FluxGate-Owner', grant.ownerHeader);
  // Both a key and a token were checked: the key says who it is, the claims are true as well.
  if (token !== null) set.push(...claimHeaders(token.claims, token.check.rules.headers));
  return set;
}

function tokenHeaders({ claims, subject, scopes, check }: AcceptedToken): FlatHeaders {
  const set = claimHeaders(claims, check.rules.headers);
  if (subject !== '') set.push('X-FluxGate-Principal', headerValue(subject));
  set.push('X-FluxGate-Scopes', scopes.join(' '));
  return set;
}
