import { createHash } from 'node:crypto';
import type { ClientConnection } from './client-connection.ts';
import type { Exchange } from './exchange.ts';
import type { HeadScanner } from './head-scanner.ts';
import { KIND } from './names.ts';
import type { UpgradedStream } from './upgraded-streams.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';
import type { WireContext } from './wire-context.ts';

const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * 101: if it answers a WebSocket handshake that we forwarded, and proves it (RFC 6455 §4.2.2), both connections become one stream.
 * False: it does not.
 */
export function beginTunnel(
  exchange: Exchange,
  context: WireContext,
  scanner: HeadScanner,
  text: string,
  early: Buffer,
): boolean {
  const { facts, client } = exchange;
  if (facts.upgrade === null || facts.webSocketKey === null) return false;
  if (scanner.seen[KIND.upgrade] !== 1 || scanner.seen[KIND.webSocketAccept] !== 1) return false;
  if (scanner.value(text, scanner.at[KIND.upgrade]! - 1).toLowerCase() !== 'websocket') return false;
  const accept = createHash('sha1')
    .update(facts.webSocketKey + WEBSOCKET_GUID)
    .digest('base64');
  if (scanner.value(text, scanner.at[KIND.webSocketAccept]! - 1) !== accept) return false;
  let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  for (let i = 0; i < scanner.count; i++) {
    const kind = scanner.kind(i);
    if (kind === KIND.other || kind === KIND.date || kind === KIND.webSocketAccept)
      head += `${scanner.name(text, i)}: ${scanner.value(text, i)}\r\n`;
  }
  const { responseSet } = exchange.forward;
  for (let i = 0; i < responseSet.length; i += 2) head += `${responseSet[i]}: ${responseSet[i + 1]}\r\n`;
  const upstream = exchange.takeUpstream();
  if (upstream === null) return false;
  exchange.status = 101;
  const tunnel = new Tunnel(exchange, client, upstream, context);
  upstream.user = tunnel;
  client.tunnel = tunnel;
  client.write(`${head}\r\n`);
  if (early.length > 0) tunnel.upstreamData(early, early.length);
  tunnel.fromClient(client.takeInput());
  return true;
}

/** Bytes both ways until one side ends, is idle for too long, or somebody closes it. */
export class Tunnel implements UpstreamUser, UpgradedStream {
  readonly principal: string | null;
  readonly facts: Exchange['facts'];
  readonly #exchange: Exchange;
  readonly #client: ClientConnection;
  readonly #upstream: UpstreamConnection;
  readonly #context: WireContext;
  readonly #openedMs: number;
  #over = false;

  constructor(exchange: Exchange, client: ClientConnection, upstream: UpstreamConnection, context: WireContext) {
    this.#exchange = exchange;
    this.#client = client;
    this.#upstream = upstream;
    this.#context = context;
    this.#openedMs = context.wheel.nowMs;
    this.facts = exchange.facts;
    this.principal = exchange.forward.principal;
    context.upgraded.add(this);
    this.#touch();
  }

  #touch(): void {
    const { limits, wheel } = this.#context;
    const lifeLeftMs = this.#openedMs + limits.tunnelLifeMs - wheel.nowMs;
    this.#upstream.deadline(0);
    wheel.set(this.#client, Math.max(1, Math.min(limits.tunnelIdleMs, lifeLeftMs)));
  }

  attach(): void {}

  fromClient(bytes: Buffer | null): void {
    if (this.#over || bytes === null || bytes.length === 0) return;
    this.#exchange.bytesIn += bytes.length;
    this.#touch();
    if (!this.#upstream.write(bytes)) this.#client.block(true);
  }

  upstreamDrain(): void {
    this.#client.block(false);
  }

  upstreamData(buf: Buffer, length: number): void {
    if (this.#over) return;
    this.#exchange.bytesOut += length;
    this.#touch();
    if (!this.#client.write(Buffer.from(buf.subarray(0, length)))) this.#upstream.pause();
  }

  clientDrained(): void {
    this.#upstream.resume();
  }

  upstreamEnd(): void {
    this.end('the upstream closed');
  }

  upstreamFailed(): void {
    this.end('the upstream connection broke');
  }

  onDeadline(): void {
    this.end('idle or lifetime limit');
  }

  close(_code: number, reason: string): void {
    this.end(reason);
  }

  end(because: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.upgraded.remove(this);
    this.#upstream.user = null;
    this.#upstream.socket.end();
    this.#upstream.destroy();
    this.#exchange.finish(because);
    this.#client.endTunnel();
  }
}
