import type { Forward } from '../seam.ts';
import type { Facts, Peer } from './facts.ts';
import { hashName } from './grammar.ts';
import { KIND } from './names.ts';
import type { TracePool } from './trace.ts';

/** Kinds that travel upstream as the client wrote them. */
const COPIED = new Uint8Array(KIND.kinds);
for (const kind of [KIND.other, KIND.host, KIND.webSocketKey, KIND.webSocketVersion]) COPIED[kind] = 1;

/** Reused: hashes of the names that this request loses besides those of the table. */
const dropped: number[] = [];

function collectDrops(facts: Facts, forward: Forward): number {
  let count = 0;
  const { set } = forward;
  for (let i = 0; i < set.length; i += 2) dropped[count++] = hashName(set[i]!);
  for (const name of forward.drop) dropped[count++] = hashName(name);
  if (facts.nominated !== null) for (const name of facts.nominated) dropped[count++] = hashName(name);
  return count;
}

const setsHost = (forward: Forward): boolean => {
  for (let i = 0; i < forward.set.length; i += 2)
    if (forward.set[i]!.length === 4 && forward.set[i]!.toLowerCase() === 'host') return true;
  return false;
};

/**
 * The head for the upstream. Runs of lines in which nothing changes are copied as one slice of the client's head; what the plan
 * sets comes last, so that nothing the client names (`Connection: x-forwarded-for`) can take it away.
 */
export function forwardHead(
  facts: Facts,
  forward: Forward,
  peer: Peer,
  trace: TracePool,
  authority: string,
  basePath: string,
): string {
  const notes = facts.notes();
  const { text } = facts;
  const drops = collectDrops(facts, forward);
  const end = text.length - 2;
  const hostChange = forward.route.spec.request?.host ?? 'preserve';
  const hostSet = setsHost(forward);
  const ownHost = hostSet || hostChange !== 'preserve';
  let out = `${facts.method} ${basePath}${forward.target} HTTP/1.1\r\n`;
  let from = -1;
  for (let i = 0; i < notes.count; i++) {
    const kind = notes.kind(i);
    let copy = COPIED[kind] === 1;
    if (kind === KIND.other) {
      const hash = notes.hash(i);
      for (let d = 0; d < drops; d++) if (dropped[d] === hash) copy = false;
    } else if (kind === KIND.host) copy = !ownHost;
    else if (kind === KIND.tracestate) copy = facts.traceKept;
    if (copy) {
      if (from < 0) from = notes.lineStart(i);
    } else if (from >= 0) {
      out += text.slice(from, notes.lineStart(i));
      from = -1;
    }
  }
  if (from >= 0) out += text.slice(from, end);
  if (hostChange !== 'preserve' && !hostSet) out += `Host: ${hostChange === 'upstream' ? authority : hostChange}\r\n`;
  else if (facts.hostLine !== null && !hostSet) out += `Host: ${facts.hostLine === '' ? authority : facts.hostLine}\r\n`;
  if (facts.bodyLength > 0) out += `Content-Length: ${facts.bodyLength}\r\n`;
  else if (facts.bodyLength < 0) out += 'Transfer-Encoding: chunked\r\n';
  else if (notes.seen[KIND.contentLength] !== 0) out += 'Content-Length: 0\r\n';
  if (facts.upgrade !== null) out += 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  out += `Via: 1.1 fluxgate\r\n${forwardedLines(facts, peer)}traceparent: 00-${facts.traceId}-${trace.spanId()}-${facts.traceFlags}\r\n`;
  const { set } = forward;
  for (let i = 0; i < set.length; i += 2) out += `${set[i]}: ${set[i + 1]}\r\n`;
  const { add } = forward;
  for (let i = 0; i < add.length; i += 2) out += `${add[i]}: ${add[i + 1]}\r\n`;
  return `${out}\r\n`;
}

/** A trusted proxy's own list is continued, its scheme and host are kept; what anybody else wrote there was dropped. */
function forwardedLines(facts: Facts, peer: Peer): string {
  if (!peer.trusted) {
    const host = facts.hostText === '' ? '' : `X-Forwarded-Host: ${facts.hostText}\r\n`;
    return `X-Forwarded-For: ${peer.text}\r\nX-Forwarded-Proto: ${facts.scheme}\r\n${host}`;
  }
  const notes = facts.notes();
  const chain: string[] = [];
  for (let i = notes.find(facts.text, 'x-forwarded-for', 0); i >= 0; i = notes.find(facts.text, 'x-forwarded-for', i + 1)) {
    const value = notes.value(facts.text, i);
    if (value !== '') chain.push(value);
  }
  chain.push(peer.text);
  const sent = facts.headerCount('x-forwarded-host') === 1 ? facts.header('x-forwarded-host') : undefined;
  const host = sent !== undefined && sent !== '' ? sent : facts.hostText;
  return `X-Forwarded-For: ${chain.join(', ')}\r\nX-Forwarded-Proto: ${facts.scheme}\r\n${host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`}`;
}
