import type { FlatHeaders, Forward } from '../seam.ts';
import type { Facts, Peer } from './facts.ts';
import { hashName } from './grammar.ts';
import { KIND } from './names.ts';

/** Kinds that travel upstream as the client wrote them. */
const COPIED = new Uint8Array(KIND.kinds);
for (const kind of [KIND.other, KIND.host, KIND.webSocketKey, KIND.webSocketVersion]) COPIED[kind] = 1;

/** Reused: hashes of the names that this request loses besides those of the table. */
const dropped: number[] = [];
/** Names of the last request, whose hashes still stand in `dropped`: requests to one route drop and set the same. */
const names: string[] = [];

function collectDrops(facts: Facts, forward: Forward): number {
  let count = 0;
  const { set, drop } = forward;
  for (let i = 0; i < set.length; i += 2) note(count++, set[i]!);
  for (let i = 0; i < drop.length; i++) note(count++, drop[i]!);
  if (facts.nominated !== null) for (const name of facts.nominated) note(count++, name);
  return count;
}

function note(at: number, name: string): void {
  if (names[at] === name) return;
  names[at] = name;
  dropped[at] = hashName(name);
}

function hostChangeOf(forward: Forward): string | null {
  for (let i = 0; i < forward.set.length; i += 2)
    if (forward.set[i]!.length === 4 && forward.set[i]!.toLowerCase() === 'host') return '';
  const host = forward.route.requestTransform?.host ?? null;
  return host === '' ? 'upstream' : host;
}

// Plain additions below: a template literal costs a call per part, and this runs for every request.
// biome-ignore-start lint/style/useTemplate: see above

/**
 * The head for the upstream. Runs of lines in which nothing changes are copied as one slice of the client's head; what the plan
 * sets comes last, so that nothing the client names (`Connection: x-forwarded-for`) can take it away.
 */
export function forwardHead(
  facts: Facts,
  forward: Forward,
  peer: Peer,
  span: string,
  authority: string,
  basePath: string,
): string {
  const notes = facts.notes();
  const { text } = facts;
  const drops = collectDrops(facts, forward);
  const end = text.length - 2;
  const hostChange = hostChangeOf(forward);
  let out = facts.method + ' ' + basePath + forward.target + ' HTTP/1.1\r\n';
  let from = -1;
  for (let i = 0; i < notes.count; i++) {
    const kind = notes.kind(i);
    let copy = COPIED[kind] === 1;
    if (kind === KIND.other) {
      const hash = notes.hash(i);
      for (let d = 0; d < drops; d++) if (dropped[d] === hash) copy = false;
    } else if (kind === KIND.host) copy = hostChange === null;
    else if (kind === KIND.tracestate) copy = facts.traceKept;
    if (copy) {
      if (from < 0) from = notes.lineStart(i);
    } else if (from >= 0) {
      out += text.slice(from, notes.lineStart(i));
      from = -1;
    }
  }
  if (from >= 0) out += text.slice(from, end);
  if (hostChange !== null) out += hostChange === '' ? '' : `Host: ${hostChange === 'upstream' ? authority : hostChange}\r\n`;
  else if (facts.hostLine !== null) out += `Host: ${facts.hostLine === '' ? authority : facts.hostLine}\r\n`;
  if (facts.bodyLength > 0) out += `Content-Length: ${facts.bodyLength}\r\n`;
  else if (facts.bodyLength < 0) out += 'Transfer-Encoding: chunked\r\n';
  else if (notes.seen[KIND.contentLength] !== 0) out += 'Content-Length: 0\r\n';
  if (facts.upgrade !== null) out += 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  out += peer.forwarded ?? trustedLines(facts, peer);
  if (peer.forwarded !== null && facts.hostText !== '') out += 'X-Forwarded-Host: ' + facts.hostText + '\r\n';
  out += 'traceparent: 00-' + facts.traceId + '-' + span + '-' + facts.traceFlags + '\r\n';
  return out + fieldLines(forward.set) + fieldLines(forward.add) + '\r\n';
}

function fieldLines(fields: FlatHeaders): string {
  let lines = '';
  for (let i = 0; i < fields.length; i += 2) lines += fields[i] + ': ' + fields[i + 1] + '\r\n';
  return lines;
}

// biome-ignore-end lint/style/useTemplate: see above

/** What a client that nobody trusts is said to be: the same for every request of its connection. */
export const strangerLines = (address: string, scheme: string): string =>
  `Via: 1.1 fluxgate\r\nX-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${scheme}\r\n`;

/** A trusted proxy's own list is continued, its scheme and host are kept; what anybody else wrote there was dropped. */
function trustedLines(facts: Facts, peer: Peer): string {
  const notes = facts.notes();
  const chain: string[] = [];
  for (let i = notes.find(facts.text, 'x-forwarded-for', 0); i >= 0; i = notes.find(facts.text, 'x-forwarded-for', i + 1)) {
    const value = notes.value(facts.text, i);
    if (value !== '') chain.push(value);
  }
  chain.push(peer.text);
  const sent = facts.headerCount('x-forwarded-host') === 1 ? facts.header('x-forwarded-host') : undefined;
  const host = sent !== undefined && sent !== '' ? sent : facts.hostText;
  return `${strangerLines(chain.join(', '), facts.scheme)}${host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`}`;
}
