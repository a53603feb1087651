/**
 * A request as its signature sees it. What stands here must be what the router and the upstream see too, else a signature would cover
 * one request and let through another: the path is the canonical one, and a request whose path was sent in another spelling is refused
 * before anything is compared (`fromTarget`).
 */
export interface SignedMessage {
  /** As sent: methods are case-sensitive. */
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** Lower case, without the port that the scheme implies. */
  readonly authority: string;
  /** Origin form, as sent: path and query. */
  readonly target: string;
  readonly path: string;
  /** Without `?`; empty if there is none. */
  readonly query: string;
  readonly hasBody: boolean;
  /** Values of all lines of that lower-case name in order, without white space around them; empty: the field is not there. */
  fieldValues(name: string): readonly string[];
}

/** The port that a scheme implies is left out, letters are lower case, a dot at the end of the name is dropped (RFC 9421 §2.2.3). */
export function canonicalAuthority(host: string, scheme: 'http' | 'https'): string {
  const lower = host.toLowerCase();
  const match = /^(.*?)\.?(?::(\d*))?$/.exec(lower);
  const name = match?.[1] ?? lower;
  const port = match?.[2] ?? '';
  return port === '' || port === (scheme === 'https' ? '443' : '80') ? name : `${name}:${port}`;
}
