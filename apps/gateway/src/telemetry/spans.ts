import type { Recorded, RequestFacts } from '../seam.ts';
import { jsonString } from './json.ts';
import { scrub } from './scrub.ts';

/** OTLP/JSON (opentelemetry-proto 1.x, `Span`): ids in hex, 64-bit numbers as strings, enums as numbers. */
const KIND_SERVER = 2;
const KIND_CLIENT = 3;
const STATUS_ERROR = ',"status":{"code":2}';
/** Low byte: W3C flags, sampled; then "we know whether the parent is remote" and "it is". */
const FLAGS_ROOT = 0x101;
const FLAGS_REMOTE_PARENT = 0x301;

const SAMPLED = 1;
export const isTraced = (facts: RequestFacts): boolean => (facts.traceFlags.charCodeAt(1) & SAMPLED) === SAMPLED;

/** An upstream was asked. */
export const hasClientSpan = (recorded: Recorded): boolean => recorded.handedMs !== 0 && recorded.upstreamSpan !== '';

/** Methods that go into span names and metrics as they are (semantic conventions: everything else is `_OTHER`). */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY']);

/** Wall time with microseconds, as nanoseconds since 1970: within what a double holds exactly. */
const nanos = (ms: number): string => `"${Math.round(ms * 1000)}000"`;

const text = (key: string, value: string): string => `,{"key":"${key}","value":{"stringValue":${jsonString(scrub(value))}}}`;
const optional = (key: string, value: string | null | undefined): string =>
  value === null || value === undefined || value === '' ? '' : text(key, value);
const integer = (key: string, value: number): string => `,{"key":"${key}","value":{"intValue":"${value}"}}`;

/** `host:port` as a Host field names it; the port is left out where it is the scheme's own. */
export function splitAuthority(authority: string): { readonly host: string; readonly port: number | null } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(authority);
  if (match === null) return { host: authority, port: null };
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port: match[2] === undefined ? null : Number(match[2]) };
}

/**
 * The server span of a request and, where an upstream was asked, the client span below it: two JSON objects with a comma between.
 * Names by the HTTP semantic conventions 1.x. No query, no headers, no key: attributes are only those written here.
 */
export function spansOf(recorded: Recorded, facts: RequestFacts, spanId: string): string {
  const { decision, status } = recorded;
  const route = decision?.route ?? null;
  const known = METHODS.has(facts.method);
  const method = known ? facts.method : '_OTHER';
  const code = decision?.kind === 'answer' ? decision.code : null;
  const name = (known ? facts.method : 'HTTP') + (route === null ? '' : ` ${route.spec.prefix}`);
  const failed = status >= 500 ? (code ?? String(status)) : status === 0 ? 'aborted' : null;
  const attributes =
    text('http.request.method', method).slice(1) +
    text('url.path', facts.path) +
    text('url.scheme', facts.scheme) +
    optional('server.address', facts.host) +
    text('client.address', facts.clientText) +
    optional('http.route', route?.spec.prefix) +
    (status === 0 ? '' : integer('http.response.status_code', status)) +
    optional('error.type', failed) +
    optional('fluxgate.route', route?.name) +
    optional('fluxgate.code', code) +
    optional('fluxgate.principal', decision?.principal) +
    optional('fluxgate.key_id', decision?.kid);
  const server =
    `{"traceId":"${facts.traceId}","spanId":"${spanId}"` +
    (facts.parentSpan === '' ? '' : `,"parentSpanId":"${facts.parentSpan}"`) +
    `,"flags":${facts.parentSpan === '' ? FLAGS_ROOT : FLAGS_REMOTE_PARENT},"name":${jsonString(scrub(name))},"kind":${KIND_SERVER}` +
    `,"startTimeUnixNano":${nanos(facts.arrivedMs)},"endTimeUnixNano":${nanos(facts.arrivedMs + recorded.durationMs)}` +
    `,"attributes":[${attributes}]${failed === null ? '' : STATUS_ERROR}}`;
  return hasClientSpan(recorded) ? `${server},${clientSpan(recorded, facts, spanId, method)}` : server;
}

function clientSpan(recorded: Recorded, facts: RequestFacts, parent: string, method: string): string {
  const { decision, upstreamTarget } = recorded;
  const forward = decision?.kind === 'forward' ? decision : null;
  const { host, port } = splitAuthority(upstreamTarget ?? '');
  const endMs = recorded.upstreamEndMs === 0 ? recorded.startedMs + recorded.durationMs : recorded.upstreamEndMs;
  const secure = forward?.upstream.targets.find((one) => one.host === host)?.tls ?? false;
  // What the upstream answered; an answer of the gateway in its place says why in `error.type`.
  const status = forward === null ? null : recorded.status;
  const failed =
    decision?.kind === 'answer'
      ? (decision.code ?? 'answered')
      : status !== null && status >= 400
        ? String(status)
        : recorded.firstByteMs === 0
          ? 'aborted'
          : null;
  const url =
    forward === null || upstreamTarget === null
      ? null
      : `${secure ? 'https' : 'http'}://${upstreamTarget}${forward.target.split('?', 1)[0]}`;
  const attributes =
    text('http.request.method', method).slice(1) +
    optional('url.full', url) +
    optional('server.address', host) +
    (port === null ? '' : integer('server.port', port)) +
    optional('fluxgate.upstream', forward?.upstream.name) +
    (status === null || recorded.firstByteMs === 0 ? '' : integer('http.response.status_code', status)) +
    optional('error.type', failed);
  const at = (ms: number): string => nanos(facts.arrivedMs + ms - recorded.startedMs);
  return (
    `{"traceId":"${facts.traceId}","spanId":"${recorded.upstreamSpan}","parentSpanId":"${parent}","flags":${FLAGS_ROOT}` +
    `,"name":"${method === '_OTHER' ? 'HTTP' : method}","kind":${KIND_CLIENT},"startTimeUnixNano":${at(recorded.handedMs)},"endTimeUnixNano":${at(endMs)}` +
    `,"attributes":[${attributes}]` +
    (recorded.firstByteMs === 0 ? '' : `,"events":[{"timeUnixNano":${at(recorded.firstByteMs)},"name":"first byte"}]`) +
    `${failed === null ? '' : STATUS_ERROR}}`
  );
}
