import type { FlatHeaders } from '../seam.ts';
import type { Exchange } from './exchange.ts';

const NOBODY: FlatHeaders = [];

/** What upstreams are told about the caller. Client fields of these names, in any spelling, were stripped by the wire before. */
export function identityHeaders(x: Exchange): FlatHeaders {
  const grant = x.grant;
  if (!x.accepted || grant === null) return NOBODY;
  const set = ['X-FluxGate-Principal', headerSafe(x.name), 'X-FluxGate-Key-Id', x.kid, 'X-FluxGate-Scopes', grant.scopesHeader];
  if (grant.ownerHeader !== null) set.push('X-FluxGate-Owner', grant.ownerHeader);
  return set;
}

/** A text as a header value: visible ASCII as it is, anything else percent-encoded as UTF-8 (and `%` with it, so that it can be undone). */
export function headerSafe(text: string): string {
  if (/^[\x21-\x24\x26-\x7e]*(?: [\x21-\x24\x26-\x7e]+)*$/.test(text)) return text;
  return encodeURIComponent(text.toWellFormed()).replaceAll('%20', ' ').trim();
}
