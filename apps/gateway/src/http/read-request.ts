import { type CidrSet, canonicalTarget, clientAddress, formatAddress } from '@fluxgate/policy';
import { Facts, type Peer } from './facts.ts';
import { FAULT } from './faults.ts';
import { hostLength, parseLength, tokenList } from './grammar.ts';
import type { HeadLimits, HeadScanner } from './head-scanner.ts';
import { KIND, type NameTable } from './names.ts';
import { isSampled, isTracestate, readTraceparent, type TracePool } from './trace.ts';

/** What else reading needs. */
export interface ReadContext {
  readonly names: NameTable;
  readonly trustedProxies: CidrSet;
  readonly trace: TracePool;
  /** Of the traces that begin here; see `sampleLimit`. */
  readonly sampleLimit: number;
  readonly bodyBytesMax: number;
  readonly head: HeadLimits;
}

const NOMINATED_MAX = 32;

/**
 * From a scanned head to facts (RFC 9112 §3, §6, §9): or a fault. Everything that two readers could read differently is a fault;
 * there is no lenient mode.
 */
export function readRequest(
  scanner: HeadScanner,
  text: string,
  peer: Peer,
  context: ReadContext,
  arrivedMs: number,
): Facts | number {
  const facts = new Facts(text, scanner, context.names, peer, arrivedMs);
  const at = scanner.at;
  let fault = readTarget(facts, scanner, text.slice(scanner.methodEnd + 1, scanner.targetEnd));
  if (fault === 0) fault = readLength(facts, scanner, context.bodyBytesMax);
  if (fault === 0 && at[KIND.connection] !== 0) fault = readConnection(facts, scanner);
  else if (facts.minor === 0) facts.keepAlive = false;
  if (fault === 0 && at[KIND.expect] !== 0) fault = readExpect(facts, scanner);
  if (fault === 0 && at[KIND.upgrade] !== 0) fault = readUpgrade(facts, scanner);
  if (fault !== 0) return fault;
  if (at[KIND.te] !== 0) facts.acceptsTrailers = /(?:^|,)[ \t]*trailers[ \t]*(?:,|;|$)/i.test(valueAt(facts, scanner, KIND.te));
  if (peer.trusted) readForwarded(facts, scanner, context.trustedProxies);
  readTrace(facts, scanner, context);
  return facts;
}

const valueAt = (facts: Facts, scanner: HeadScanner, kind: number): string => scanner.value(facts.text, scanner.at[kind]! - 1);

function readTarget(facts: Facts, scanner: HeadScanner, target: string): number {
  if (facts.method === 'CONNECT') return FAULT.connect;
  const first = target.charCodeAt(0);
  let authority: string | null = null;
  let path = target;
  let defaultPort = facts.scheme === 'https' ? ':443' : ':80';
  if (first !== 47) {
    if (target === '*' && facts.method === 'OPTIONS') {
      path = '';
    } else {
      const absolute = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(target);
      if (absolute === null) return FAULT.targetForm;
      defaultPort = absolute[1]!.length === 5 ? ':443' : ':80';
      authority = absolute[2]!;
      path = absolute[3]!;
      if (hostLength(authority) < 0) return FAULT.targetForm;
      if (path.charCodeAt(0) !== 47) {
        if (path === '' && facts.method === 'OPTIONS') path = '';
        else path = `/${path}`;
      }
    }
  }
  const fault = readHost(facts, scanner, authority, defaultPort);
  if (fault !== 0) return fault;
  if (path === '') {
    facts.path = '*';
    return 0;
  }
  const canonical = canonicalTarget(path);
  if (!canonical.ok) return FAULT.targetForm;
  facts.path = canonical.path;
  facts.query = canonical.query;
  return 0;
}

/** RFC 9112 §3.2: exactly one Host; HTTP/1.0 may leave it out; an absolute-form target must name the same authority. */
function readHost(facts: Facts, scanner: HeadScanner, authority: string | null, defaultPort: string): number {
  const count = scanner.seen[KIND.host]!;
  if (count > 1) return FAULT.hostDoubled;
  if (count === 0) {
    if (facts.minor > 0) return FAULT.hostMissing;
    if (authority === null) {
      facts.hostLine = '';
      return 0;
    }
    facts.hostLine = authority;
  }
  const text = count === 0 ? authority! : valueAt(facts, scanner, KIND.host);
  const length = hostLength(text);
  if (length < 0) return text === '' ? FAULT.hostMissing : FAULT.hostInvalid;
  facts.hostText = text;
  facts.host = bareHost(text, length);
  if (authority !== null && sameAuthority(authority, defaultPort) !== sameAuthority(text, defaultPort)) return FAULT.hostMismatch;
  return 0;
}

function bareHost(text: string, length: number): string {
  const host = (length === text.length ? text : text.slice(0, length)).toLowerCase();
  return host.length > 1 && host.charCodeAt(host.length - 1) === 46 ? host.slice(0, -1) : host;
}

/** An authority without the port that its scheme implies, lower-case. */
function sameAuthority(text: string, defaultPort: string): string {
  const length = hostLength(text);
  const port = text.slice(length);
  return text.slice(0, length).toLowerCase() + (port === ':' || port === defaultPort ? '' : port);
}

/** RFC 9112 §6.3, without its leniencies. */
function readLength(facts: Facts, scanner: HeadScanner, most: number): number {
  const codings = scanner.seen[KIND.transferEncoding]!;
  const lengths = scanner.seen[KIND.contentLength]!;
  if (codings > 0) {
    if (lengths > 0) return FAULT.bothLengths;
    if (facts.minor === 0) return FAULT.codingOld;
    return readCodings(facts, scanner, codings);
  }
  if (lengths === 0) return 0;
  if (lengths > 1) return FAULT.lengthDoubled;
  const length = parseLength(valueAt(facts, scanner, KIND.contentLength));
  if (length < 0) return FAULT.lengthInvalid;
  facts.bodyLength = length;
  return length > most ? FAULT.bodyLong : 0;
}

function readCodings(facts: Facts, scanner: HeadScanner, count: number): number {
  if (count > 1) return FAULT.codingInvalid;
  const value = valueAt(facts, scanner, KIND.transferEncoding).toLowerCase();
  if (value === 'chunked') {
    facts.bodyLength = -1;
    return 0;
  }
  const codings = tokenList(value);
  if (codings === null || codings.length === 0 || /(?:^|,)[ \t]*(?:,|$)/.test(value)) return FAULT.codingInvalid;
  // A known coding in the wrong place is malformed; a coding that nobody here knows is a 501.
  return codings.includes('chunked') && codings.at(-1) !== 'chunked' ? FAULT.codingInvalid : FAULT.codingUnknown;
}

function readConnection(facts: Facts, scanner: HeadScanner): number {
  if (facts.minor === 0) facts.keepAlive = false;
  const single = scanner.seen[KIND.connection] === 1;
  const value = valueAt(facts, scanner, KIND.connection);
  if (single && (value === 'keep-alive' || value === 'Keep-Alive')) {
    facts.keepAlive = true;
    return 0;
  }
  const tokens = tokenList(single ? value : allValues(facts, scanner, 'connection'));
  if (tokens === null || tokens.length > NOMINATED_MAX) return FAULT.connection;
  if (tokens.includes('close')) facts.keepAlive = false;
  else if (tokens.includes('keep-alive')) facts.keepAlive = true;
  facts.nominated = tokens;
  return 0;
}

function allValues(facts: Facts, scanner: HeadScanner, name: string): string {
  const values: string[] = [];
  for (let i = scanner.find(facts.text, name, 0); i >= 0; i = scanner.find(facts.text, name, i + 1))
    values.push(scanner.value(facts.text, i));
  return values.join(',');
}

function readExpect(facts: Facts, scanner: HeadScanner): number {
  if (facts.minor === 0) return 0; // RFC 9110 §10.1.1: a 1.0 client cannot expect anything
  if (scanner.seen[KIND.expect]! > 1 || valueAt(facts, scanner, KIND.expect).toLowerCase() !== '100-continue')
    return FAULT.expect;
  facts.expectContinue = facts.bodyLength !== 0;
  return 0;
}

/** Only `websocket` is ever offered to an upstream: h2c would open a tunnel that nobody looks into. */
function readUpgrade(facts: Facts, scanner: HeadScanner): number {
  facts.ignoredUpgrade = true;
  if (facts.minor === 0 || facts.nominated === null || !facts.nominated.includes('upgrade')) return 0;
  if (scanner.seen[KIND.upgrade]! > 1 || valueAt(facts, scanner, KIND.upgrade).toLowerCase() !== 'websocket') return 0;
  if (facts.method !== 'GET' || facts.bodyLength !== 0 || facts.expectContinue) return FAULT.upgrade;
  if (scanner.seen[KIND.webSocketKey] !== 1 || scanner.seen[KIND.webSocketVersion] !== 1) return FAULT.upgrade;
  const key = valueAt(facts, scanner, KIND.webSocketKey);
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) return FAULT.upgrade;
  facts.ignoredUpgrade = false;
  facts.upgrade = 'websocket';
  facts.webSocketKey = key;
  return 0;
}

function readForwarded(facts: Facts, scanner: HeadScanner, trustedProxies: CidrSet): void {
  if (scanner.at[KIND.forwardedFor] !== 0) {
    facts.client = clientAddress(facts.peer, [allValues(facts, scanner, 'x-forwarded-for')], trustedProxies);
    facts.clientText = formatAddress(facts.client);
  }
  if (scanner.seen[KIND.forwardedProto] === 1) {
    const scheme = valueAt(facts, scanner, KIND.forwardedProto).toLowerCase();
    if (scheme === 'http' || scheme === 'https') facts.scheme = scheme;
  }
}

function readTrace(facts: Facts, scanner: HeadScanner, context: ReadContext): void {
  if (scanner.seen[KIND.traceparent] === 1) {
    const parent = readTraceparent(valueAt(facts, scanner, KIND.traceparent));
    if (parent !== null) {
      facts.traceId = parent.traceId;
      facts.parentSpan = parent.parentSpan;
      facts.traceFlags = parent.flags;
      facts.traceKept = scanner.seen[KIND.tracestate]! > 0 && isTracestate(allValues(facts, scanner, 'tracestate'));
      return;
    }
  }
  facts.traceId = context.trace.traceId();
  if (!isSampled(facts.traceId, context.sampleLimit)) facts.traceFlags = '00';
}
