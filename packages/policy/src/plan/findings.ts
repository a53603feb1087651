/** A rule over the whole configuration that does not hold; `protocol/config` adds file, line and column. */
export interface ConfigFinding {
  /** error: the configuration is refused. warning: it is taken, and the message says what the gateway will do. */
  readonly severity: 'error' | 'warning';
  readonly code: FindingCode;
  readonly object: { readonly kind: 'settings' | 'upstream' | 'tier' | 'route'; readonly name: string };
  /** Dotted path inside the object as written in fluxgate.yaml, e.g. `middleware.0.any_of.1.jwt.issuer`; empty: the object itself. */
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly remedy: string;
}

export type FindingCode =
  | 'route_open'
  | 'auth_contradiction'
  | 'any_of_mixed'
  | 'any_of_empty'
  | 'upstream_unknown'
  | 'upstream_missing'
  | 'upstream_empty'
  | 'target_invalid'
  | 'duplicate_route'
  | 'duplicate_name'
  | 'prefix_invalid'
  | 'host_invalid'
  | 'method_invalid'
  | 'cidr_invalid'
  | 'ip_allow_empty'
  | 'vpc_endpoint_untrusted'
  | 'scope_invalid'
  | 'rate_invalid'
  | 'rate_by_key_open'
  | 'header_invalid'
  | 'query_parameter_invalid'
  | 'signature_invalid'
  | 'signature_optional'
  | 'jwt_issuer_missing'
  | 'jwt_audience_missing'
  | 'preset_unknown'
  | 'algorithm_refused'
  | 'not_enforceable'
  | 'public_url_missing'
  | 'public_url_invalid'
  | 'tier_shadowed'
  | 'listener_invalid'
  | 'proxy_protocol_untrusted'
  | 'cors_open'
  | 'cors_invalid'
  | 'upstream_tls'
  | 'error_status_invalid'
  | 'error_placeholder_unknown';

export type Report = (finding: ConfigFinding) => void;

/** The candidate most like `text`, if it is like it at all: for "did you mean". */
export function nearest(text: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - text.length) >= bestDistance) continue;
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Damerau–Levenshtein (adjacent swaps count once). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1;
      let value = Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + cost);
      if (i > 1 && j > 1 && a.charCodeAt(i - 1) === b.charCodeAt(j - 2) && a.charCodeAt(i - 2) === b.charCodeAt(j - 1)) {
        value = Math.min(value, (before[j - 2] as number) + 1);
      }
      next.push(value);
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
