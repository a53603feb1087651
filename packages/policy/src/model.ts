/**
 * The configuration of a realm after it was read and judged: names resolved, units in milliseconds,
 * nothing optional left implicit. `protocol/config` produces it from fluxgate.yaml, the control plane
 * stores it, sync carries it, `compilePlan` turns it into what a request meets.
 */

import type { EdgeLimits, Listener, RouteEdges, UpstreamEdges } from './edges/model.ts';
import type { SignatureSpec } from './signatures/rules.ts';

/** `limit` events per `perMs`. */
export interface Rate {
  readonly limit: number;
  readonly perMs: number;
}

/** Calendar windows in which a quota counts. */
export type QuotaWindow = 'hour' | 'day' | 'month';

/** At most `limit` requests in each calendar window of `zone` (IANA name, `UTC` unless set). */
export interface Quota {
  readonly limit: number;
  readonly window: QuotaWindow;
  readonly zone: string;
}

/** What happens to a limit when the place that counts is out of reach. */
export type OnAuthorityLoss = 'deny' | 'local' | 'allow';

export interface ErrorResponse {
  readonly status: number;
  /** Template: `{{.TraceID}}` and `{{.Reason}}` are filled in, JSON-escaped. */
  readonly body: string;
}

export interface ApiKeySettings {
  readonly enabled: boolean;
  readonly headerName: string;
  /** Where the pepper ring lives in the secret store, e.g. `secret/data/api-keys`. */
  readonly vaultPath: string;
  readonly maxAgeMs: number;
  /** Requests one key version may make in its life; null = unlimited. */
  readonly maxRequests: number | null;
  /** reject: 503 when validation is impossible; last_known: judge by the last good state, however old. */
  readonly fallbackAction: 'reject' | 'last_known';
  readonly errorResponse: ErrorResponse;
  readonly onAuthorityLoss: OnAuthorityLoss;
}

export interface JwtSettings {
  readonly enabled: boolean;
  readonly issuer: string | null;
  readonly audience: readonly string[];
  readonly jwksUri: string | null;
  readonly cacheTtlMs: number;
  readonly requiredClaims: readonly string[];
  readonly requiredScopes: readonly string[];
  readonly clockSkewMs: number;
  readonly algorithms: readonly string[];
  /** Claim path → header name sent upstream. */
  readonly claimsToHeaders: Readonly<Record<string, string>>;
  /** Name of a preset of `tokens/scopes.ts`: where this kind of issuer keeps what it says. */
  readonly preset: string;
  /** Claim paths that hold scopes; empty: those of the preset. */
  readonly claimsToScopes: readonly string[];
  /** Media types of the token (`typ`); empty: none, `JWT` or `at+jwt`. */
  readonly typ: readonly string[];
  /** Longest `exp − iat` that is believed; null: any. */
  readonly maxLifetimeMs: number | null;
}

export interface OAuth2Settings {
  readonly enabled: boolean;
  readonly issuer: string | null;
  readonly clientId: string;
  readonly clientSecretRef: string | null;
  readonly authorizationUrl: string | null;
  readonly tokenUrl: string | null;
  readonly introspectionUrl: string | null;
  readonly redirectUri: string | null;
  readonly codeChallengeMethod: 'S256';
  readonly callback: {
    readonly path: string;
    readonly stateTtlMs: number;
    readonly redirectSuccess: string;
    readonly redirectFailure: string;
  };
  readonly scopes: readonly string[];
  readonly audience: readonly string[];
  /** scope → list of `METHOD /path` it opens. */
  readonly scopeRoutes: Readonly<Record<string, readonly string[]>>;
}

/** The `fluxgate:` documents, merged. A null block was not configured at all. */
export interface Settings {
  readonly publicUrl: string | null;
  readonly trustedProxies: readonly string[];
  readonly listeners: readonly Listener[];
  readonly limits: EdgeLimits | null;
  readonly apiKey: ApiKeySettings | null;
  readonly jwt: JwtSettings | null;
  readonly oauth2: OAuth2Settings | null;
}

export type Balance = 'round_robin' | 'least_requests' | 'consistent_hash';

export interface HealthSpec {
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Good answers in a row that bring a target back, bad ones that take it out. */
  readonly healthy: number;
  readonly unhealthy: number;
  /** Statuses that count as good; null: 200–399. */
  readonly expect: readonly number[] | null;
}

export interface UpstreamSpec extends UpstreamEdges {
  readonly name: string;
  readonly targets: readonly { readonly url: string; readonly weight: number }[];
  readonly balance: Balance;
  readonly timeout: {
    readonly connectMs: number;
    readonly firstByteMs: number;
    readonly idleMs: number;
    /** From the decision to forward to the last byte; null: no bound of its own. */
    readonly totalMs: number | null;
  };
  readonly health: HealthSpec | null;
}

/** A key's tier follows from its scopes: the first tier of the list whose scope it holds. */
export interface TierSpec {
  readonly name: string;
  readonly scope: string;
  readonly rate: Rate;
}

export type Middleware =
  | {
      readonly kind: 'api_key';
      readonly scopes: readonly string[];
      readonly queryParameter: string | null;
      /** The request must be signed with the key (RFC 9421). Absent: the key itself is enough. */
      readonly signature?: SignatureSpec | undefined;
    }
  | { readonly kind: 'jwt'; readonly jwt: JwtSettings }
  | { readonly kind: 'oauth2'; readonly oauth2: OAuth2Settings }
  | { readonly kind: 'ip_allow'; readonly cidrs: readonly string[]; readonly vpcEndpoints: readonly string[] }
  | {
      readonly kind: 'rate_limit';
      readonly rate: Rate;
      readonly burst: number;
      readonly by: 'key' | 'address';
      readonly onAuthorityLoss: OnAuthorityLoss;
    }
  | { readonly kind: 'any_of'; readonly of: readonly Middleware[] };

export interface RouteSpec extends RouteEdges {
  /** Stable name: `host` + `prefix` unless the document names it. */
  readonly name: string;
  /** Canonical path prefix, matched on segment boundaries; `/` matches everything. */
  readonly prefix: string;
  /** Lower-case host without port, or null for any. */
  readonly host: string | null;
  /** Upper-case methods, or null for any. */
  readonly methods: readonly string[] | null;
  /** Name of an upstream, or a literal URL, or null (the route answers 503 `no_upstream`). */
  readonly upstream: { readonly name: string } | { readonly url: string } | null;
  /** none: `auth: none`, the only way to open a route. */
  readonly auth: 'required' | 'none';
  readonly middleware: readonly Middleware[];
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: string | null;
}

/** Everything a node needs to judge and forward, but for the keys. */
export interface RealmConfig {
  readonly settings: Settings;
  readonly upstreams: readonly UpstreamSpec[];
  readonly tiers: readonly TierSpec[];
  readonly routes: readonly RouteSpec[];
}

/**
 * What a credential may do, shared by all credentials that may do the same: stored and synced once, numbered,
 * and referenced from each key record, so that a key costs tens of bytes.
 */
export interface Grant {
  readonly scopes: readonly string[];
  /** Route names the key is confined to; null = every route its scopes reach. */
  readonly routes: readonly string[] | null;
  /** Allowed sources; null = anywhere; an empty list allows nobody. */
  readonly cidrs: readonly string[] | null;
  readonly quota: Quota | null;
  readonly requestBudget: number | null;
  readonly owner: string | null;
  /** How its requests are signed (RFC 9421). Absent: they are not, and a route that asks for signatures refuses the key. */
  readonly signing?: GrantSigning | undefined;
}

export type GrantSigning =
  /** With a secret that follows from pepper and digest of the key version, see `signingMessage`. */
  | { readonly algorithm: 'hmac-sha256' }
  /** `publicKey`: 32 bytes as base64url. Its private half never was here. */
  | { readonly algorithm: 'ed25519'; readonly publicKey: string };

/** Life of one key version. `retiring` still verifies until its `notAfter`. */
export type KeyState = 'active' | 'retiring' | 'revoked' | 'suspended';

/** One key version as a node holds it. Times in seconds since 1970. */
export interface KeyRecord {
  /** 12 base62 characters: the public part of the key. */
  readonly kid: string;
  /** First 16 bytes of HMAC-SHA-256(pepper[pepperVersion], "fluxgate/api-key/1" ‖ 0x00 ‖ kid ‖ 0x00 ‖ secret), secret as its 43 ASCII characters. */
  readonly digest: Uint8Array;
  readonly pepperVersion: number;
  readonly state: KeyState;
  /** Refused from this second on; 0xffffffff = never. */
  readonly notAfterS: number;
  /** Number of the grant. */
  readonly grant: number;
  /** Number of the credential (the lineage): quotas and tier limits count here, over all its versions. */
  readonly credential: number;
  /** Name of the credential: the principal told to upstreams. */
  readonly name: string;
}
