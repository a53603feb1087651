import { headerValue } from '@fluxgate/policy';
import type { FlatHeaders } from '../seam.ts';
import type { Exchange } from './exchange.ts';

const NOBODY: FlatHeaders = [];

/** What upstreams are told about the caller. Client fields of these names, in any spelling, were stripped by the wire before. */
export function identityHeaders(x: Exchange): FlatHeaders {
  const grant = x.grant;
  if (!x.accepted || grant === null) return NOBODY;
  const set = ['X-FluxGate-Principal', headerValue(x.name), 'X-FluxGate-Key-Id', x.kid, 'X-FluxGate-Scopes', grant.scopesHeader];
  if (grant.ownerHeader !== null) set.push('X-FluxGate-Owner', grant.ownerHeader);
  return set;
}
