import type { Address, CompiledRoute, CompiledUpstream, Plan, RefusalCode } from '@fluxgate/policy';

/**
 * What the wire engine (`http/`) and the pipeline (`pipeline/`) know of each other.
 * The wire turns hostile bytes into `RequestFacts` once; the pipeline answers with a `Decision`; nobody else touches raw heads.
 */

/** A client certificate that one of the listener's authorities signed. */
export interface ClientCert {
  /** RFC 4514 order, e.g. `CN=svc,O=Example`; may hold any text. */
  readonly subject: string;
  /** As Node writes it, e.g. `DNS:svc.internal, URI:spiffe://…`; empty: none. */
  readonly san: string;
  /** SHA-256 of the certificate, 64 lower-case hex digits. */
  readonly fingerprint: string;
}

export interface RequestFacts {
  readonly method: string;
  /** Canonical path: the one string that router, policy and upstream see. */
  readonly path: string;
  /** Raw query without `?`; empty if there is none. */
  readonly query: string;
  /** Lower-case host without port. */
  readonly host: string;
  /** The other end of the socket, or what a trusted proxy's PROXY header said. */
  readonly peer: Address;
  /** The client after walking X-Forwarded-For right to left through trusted proxies. */
  readonly client: Address;
  readonly clientText: string;
  /** AWS VPC endpoint id from PROXY protocol v2, if a trusted proxy sent one. */
  readonly vpcEndpoint: string | null;
  /** The certificate that the client proved to hold, if the listener asked for one. */
  readonly clientCert: ClientCert | null;
  readonly scheme: 'http' | 'https';
  /** 32 lower-case hex digits; also in the `traceparent` sent upstream. */
  readonly traceId: string;
  /** Span id of the caller that gave the trace id; empty: the trace begins here. */
  readonly parentSpan: string;
  /** W3C: bit 0 says that the trace is sampled. */
  readonly traceFlags: string;
  /** Lower-case protocol of an upgrade request (`websocket`), else null. */
  readonly upgrade: string | null;
  readonly arrivedMs: number;
  /** The request target as it was sent, in whatever form. Only for signatures: everybody else reads `path` and `query`. */
  readonly rawTarget: string;
  /** Host as it was sent, with its port; empty if there was none. */
  readonly hostText: string;
  readonly hasBody: boolean;
  /** Value of the only field of that lower-case name; undefined if absent. Doubled fields: see `headerCount`. */
  header(name: string): string | undefined;
  headerCount(name: string): number;
  /** Values of all fields of that lower-case name, in order. */
  headerValues(name: string): readonly string[];
  /** There is a field whose name differs from that lower-case one only in `_` for `-`: somebody behind us may read it as the same. */
  hasTwin(name: string): boolean;
}

/** Flat list: name, value, name, value … Names as they shall appear on the wire; values without CR, LF or NUL. */
export type FlatHeaders = readonly string[];

export interface Forward {
  readonly kind: 'forward';
  readonly route: CompiledRoute;
  readonly upstream: CompiledUpstream;
  /** Origin-form target for the upstream: canonical path, and the query without credentials. */
  readonly target: string;
  /** Identity and other fields to add; client fields of the same normalised name were dropped before. */
  readonly set: FlatHeaders;
  /** Fields to add beside what the client sent under the same name. */
  readonly add: FlatHeaders;
  /** Further client fields to drop (lower-case names), e.g. the credential's header. */
  readonly drop: readonly string[];
  /** Added to the response on its way to the client (RateLimit, Deprecation …). */
  readonly responseSet: FlatHeaders;
  /** CORS fields of whatever answers this request; the upstream's own are dropped on a route with CORS. Empty elsewhere. */
  readonly cors: FlatHeaders;
  readonly principal: string | null;
  /** Id of the key that was accepted; not secret. */
  readonly kid?: string | null;
  /** The token that was accepted: only the pipeline reads it, when it judges a lasting exchange again. */
  readonly bearer?: object | null;
  /** The body of a signed request, to be held until its digest is known to be right. Absent: it streams. */
  readonly held?: BodyProof;
}

export interface BodyProof {
  /** A larger body is refused: all of it has to be held. */
  readonly bytesMax: number;
  /** Judges the whole body, transfer coding removed. null: it may go on. */
  refusal(body: Uint8Array): { readonly code: RefusalCode; readonly because: string } | null;
}

export interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: FlatHeaders;
  readonly body: string;
  readonly route: CompiledRoute | null;
  /** For the log and metrics; null for an answer that is no refusal. */
  readonly code: RefusalCode | null;
  readonly because: string;
  /** Who was refused, where it had proven who it is. */
  readonly principal?: string | null;
  readonly kid?: string | null;
}

export type Decision = Forward | Answer;

/** Called once per request head. A promise only where a lease or a slow path has to be waited for. */
export type Decide = (facts: RequestFacts) => Decision | Promise<Decision>;

/** A refusal that the wire itself finds (framing, target, size, upstream trouble) becomes an answer here, so that every body has the same shape and a trace id. */
export type AnswerRefusal = (code: RefusalCode, traceId: string, because: string, route: CompiledRoute | null) => Answer;

/** What became of a request. Times are of the monotonic clock, in milliseconds with fractions; 0: it did not come to that. */
export interface Recorded {
  readonly facts: RequestFacts | null;
  readonly decision: Decision | null;
  readonly status: number;
  readonly upstreamTarget: string | null;
  /** Span id that the upstream was told as its parent; empty: none. */
  readonly upstreamSpan: string;
  /** The last byte of the head was there. */
  readonly startedMs: number;
  /** The request was first written to an upstream connection. */
  readonly handedMs: number;
  /** A final head came from the upstream. */
  readonly firstByteMs: number;
  /** The upstream's answer was complete. */
  readonly upstreamEndMs: number;
  /** From `startedMs` to the last byte handed to the client's socket. */
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly fault: string | null;
  /** Where there are no facts: who sent what nobody could read, and the trace id of the answer. */
  readonly clientText?: string;
  readonly traceId?: string;
}

/** After the last byte, or when the exchange broke. Must not throw, and must not keep what it is given. */
export type Record = (exchange: Recorded) => void;

/** Why a lasting exchange ends before its time. */
export interface Ending {
  /** WebSocket close code. 4401: a credential it was let in by has ended. 4403: the credential lives, but does not permit this any more. */
  readonly code: 4401 | 4403;
  /** What the same request would be refused with now. */
  readonly refusal: RefusalCode;
  /** For the close frame and the log: `key_revoked`, `token_expired`, `address_not_allowed` … */
  readonly reason: string;
}

/** An exchange that outlives the decision that let it in: an upgraded stream, or a request that takes long. */
export interface Lasting {
  readonly facts: RequestFacts;
  /** By what it was let in. A renewal of its credential would put another one here. */
  readonly admission: Forward;
  /** An upgraded stream closes at the next frame boundary, any other exchange at once. */
  end(ending: Ending): void;
}

/** The lasting exchanges of one worker. */
export interface LastingByKey {
  /** Takes in what has begun to last since the last call, and answers with just those. */
  arrivals(): readonly Lasting[];
  /** By id of the key that let them in; '' for those without one. */
  readonly groups: ReadonlyMap<string, ReadonlySet<Lasting>>;
}

export interface Wire {
  readonly lasting: LastingByKey;
  /** Swap the plan: upstream pools are kept where their targets are unchanged. */
  setPlan(plan: Plan): void;
  listen(port: number, host: string): Promise<number>;
  /** Stop accepting, let exchanges finish until the deadline, then close. */
  drain(deadlineMs: number): Promise<void>;
}
