/**
 * The shapes of what happens at the edges of a request: where it comes in, what browsers are told, what is changed on the way to
 * an upstream and back. Part of the normalised configuration (`model.ts`); null stands for "not used", and costs a request nothing.
 */

export type ClientCerts = 'off' | 'optional' | 'required';
export type ProxyProtocol = 'off' | 'v1' | 'v2' | 'any';

export interface Listener {
  /** `0.0.0.0:8443`, `[::]:8443` */
  readonly address: string;
  /** `file:` references, read by the node itself. Without any: plain HTTP. The first is shown to who names no other. */
  readonly tls: readonly { readonly cert: string; readonly key: string }[];
  /** Authorities whose client certificates are believed; `file:` reference. */
  readonly clientCa: string | null;
  readonly clientCerts: ClientCerts;
  readonly proxyProtocol: ProxyProtocol;
}

/** Bounds that hold for every request of the realm. null: the usual one. */
export interface EdgeLimits {
  /** Requests of one client address (IPv6: of its /64) before anything is authenticated. */
  readonly address: { readonly rate: { readonly limit: number; readonly perMs: number }; readonly burst: number } | null;
  readonly bodyBytes: number | null;
  readonly headBytes: number | null;
}

export interface CorsSpec {
  /** Serialised origins (`https://a.example`, `https://*.a.example`); `*`: any, and then never with credentials. */
  readonly origins: readonly string[] | '*';
  /** null: those of the route; any-method routes: GET, HEAD, POST, PUT, PATCH, DELETE. */
  readonly methods: readonly string[] | null;
  /** Request headers a page may send; null: whatever it asks for. */
  readonly headers: readonly string[] | null;
  /** Response headers a page may read. */
  readonly expose: readonly string[];
  readonly credentials: boolean;
  readonly maxAgeMs: number;
}

export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface RequestChanges extends HeaderChanges {
  /** The route's own prefix is cut off. */
  readonly stripPrefix: boolean;
  /** Canonical path that takes the place of the route's prefix. */
  readonly rewritePrefix: string | null;
  /** `preserve`: as the client sent it; `upstream`: the target's own name; else this very name. */
  readonly host: string;
}

export interface WebSocketSpec {
  readonly idleMs: number;
  readonly lifetimeMs: number;
}

/** What a route does at its edges. */
export interface RouteEdges {
  readonly cors: CorsSpec | null;
  /** A larger request body is refused (413); null: the bound of the realm. */
  readonly bodyMaxBytes: number | null;
  readonly request: RequestChanges | null;
  readonly response: HeaderChanges | null;
  readonly websocket: WebSocketSpec | null;
  readonly serverTiming: boolean;
}

export interface UpstreamTls {
  /** Authorities besides the well-known ones; `file:` reference, read by the node itself. */
  readonly ca: string | null;
  /** Name that the certificate must be for and that is sent as SNI; null: the host of the target. */
  readonly sni: string | null;
  readonly verify: boolean;
}

export interface Outlier {
  /** Failures in a row that take a target out. */
  readonly failures: number;
  readonly ejectionMs: number;
}

/** How a node deals with the targets of an upstream. null: as the wire engine does by itself. */
export interface UpstreamEdges {
  readonly tls: UpstreamTls | null;
  readonly maxConnections: number | null;
  readonly queue: number | null;
  readonly retries: number | null;
  readonly outlier: Outlier | null;
}

export const PLAIN_ROUTE: RouteEdges = Object.freeze({
  cors: null,
  bodyMaxBytes: null,
  request: null,
  response: null,
  websocket: null,
  serverTiming: false,
});

export const PLAIN_UPSTREAM: UpstreamEdges = Object.freeze({
  tls: null,
  maxConnections: null,
  queue: null,
  retries: null,
  outlier: null,
});

export const PLAIN_LISTENER: Pick<Listener, 'clientCa' | 'clientCerts' | 'proxyProtocol'> = Object.freeze({
  clientCa: null,
  clientCerts: 'off',
  proxyProtocol: 'off',
});
