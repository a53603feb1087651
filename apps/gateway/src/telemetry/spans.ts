import type { Recorded, RequestFacts } from '../seam.ts';
import { asciiJson, jsonName, jsonString } from './json.ts';
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

/** Wall time with microseconds, as nanoseconds since 1970. In two parts: the milliseconds are the same for many, and big numbers are slow to write. */
function nanos(ms: number): string {
  const us = Math.round(ms * 1000); // below 2^53 until the year 2255
  const whole = Math.floor(us / 1000);
  const rest = us - whole * 1000;
  return `"${whole}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}000"`;
}

const KNOWN_MAX = 1024;
const CHARS_MAX = 256;

/** An attribute whose values come again and again: each is put into words once, scrubbed, and remembered, so many at most. */
function attribute(key: string, kind: 'stringValue' | 'intValue'): (value: string | number | null | undefined) => string {
  const known = new Map<string | number, string>();
  return (value) => {
    if (value === null || value === undefined || value === '') return '';
    const found = known.get(value);
    if (found !== undefined) return found;
    const written = `,${asciiJson({ key, value: { [kind]: scrub(String(value)) } })}`;
    if (typeof value === 'string' && value.length > CHARS_MAX) return written;
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(value, written);
    return written;
  };
}

const METHOD = attribute('http.request.method', 'stringValue');
const SCHEME = attribute('url.scheme', 'stringValue');
const SERVER = attribute('server.address', 'stringValue');
const PORT = attribute('server.port', 'intValue');
const CLIENT = attribute('client.address', 'stringValue');
const ROUTE = attribute('http.route', 'stringValue');
const STATUS = attribute('http.response.status_code', 'intValue');
const ERROR = attribute('error.type', 'stringValue');
const OUR_ROUTE = attribute('fluxgate.route', 'stringValue');
const OUR_CODE = attribute('fluxgate.code', 'stringValue');
const OUR_UPSTREAM = attribute('fluxgate.upstream', 'stringValue');
const PRINCIPAL = attribute('fluxgate.principal', 'stringValue');
const KEY_ID = attribute('fluxgate.key_id', 'stringValue');
const PATH = ',{"key":"url.path","value":{"stringValue":';
const URL_FULL = ',{"key":"url.full","value":{"stringValue":';

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
  const verb = known ? facts.method : 'HTTP';
  const name = route === null ? `"${verb}"` : `"${verb} ${jsonName(route.spec.prefix).slice(1)}`;
  const failed = status >= 500 ? (code ?? String(status)) : status === 0 ? 'aborted' : null;
  const attributes =
    METHOD(method).slice(1) +
    PATH +
    jsonString(scrub(facts.path)) +
    '}}' +
    SCHEME(facts.scheme) +
    SERVER(facts.host) +
    CLIENT(facts.clientText) +
    ROUTE(route?.spec.prefix) +
    (status === 0 ? '' : STATUS(status)) +
    ERROR(failed) +
    OUR_ROUTE(route?.name) +
    OUR_CODE(code) +
    PRINCIPAL(decision?.principal) +
    KEY_ID(decision?.kid);
  const server =
    `{"traceId":"${facts.traceId}","spanId":"${spanId}"` +
    (facts.parentSpan === '' ? '' : `,"parentSpanId":"${facts.parentSpan}"`) +
    `,"flags":${facts.parentSpan === '' ? FLAGS_ROOT : FLAGS_REMOTE_PARENT},"name":${name},"kind":${KIND_SERVER}` +
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
    METHOD(method).slice(1) +
    (url === null ? '' : `${URL_FULL}${jsonString(scrub(url))}}}`) +
    SERVER(host) +
    PORT(port) +
    OUR_UPSTREAM(forward?.upstream.name) +
    (status === null || recorded.firstByteMs === 0 ? '' : STATUS(status)) +
    ERROR(failed);
  const at = (ms: number): string => nanos(facts.arrivedMs + ms - recorded.startedMs);
  return (
    `{"traceId":"${facts.traceId}","spanId":"${recorded.upstreamSpan}","parentSpanId":"${parent}","flags":${FLAGS_ROOT}` +
    `,"name":"${method === '_OTHER' ? 'HTTP' : method}","kind":${KIND_CLIENT},"startTimeUnixNano":${at(recorded.handedMs)},"endTimeUnixNano":${at(endMs)}` +
    `,"attributes":[${attributes}]` +
    (recorded.firstByteMs === 0 ? '' : `,"events":[{"timeUnixNano":${at(recorded.firstByteMs)},"name":"first byte"}]`) +
    `${failed === null ? '' : STATUS_ERROR}}`
  );
}
