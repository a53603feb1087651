import { createHash } from 'node:crypto';
import type { ClientConnection } from './client-connection.ts';
import type { Exchange } from './exchange.ts';
import type { HeadScanner } from './head-scanner.ts';
import { KIND } from './names.ts';
import { linesOf, responseEdges } from './response-edges.ts';
import type { UpgradedStream } from './upgraded-streams.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';
import { closeFrame, FrameTracker } from './websocket-frames.ts';
import type { WireContext } from './wire-context.ts';

const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** How long a condemned stream may take to reach the end of a frame and to close by itself. */
const CLOSE_MS = 600;
/** How long the close frame may wait behind bytes that the client does not take. */
const CLOSE_FLUSH_MS = 250;

/** RFC 6455 §7.4.1: the limit of a route is no fault of anybody; a client may come again. */
const GOING_AWAY = 1001;
/** IANA registry: the service restarts, come again. */
export const SERVICE_RESTART = 1012;

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
  const { responseSet, cors, route } = exchange.forward;
  const edges = responseEdges(route);
  for (let i = 0; i < scanner.count; i++) {
    const kind = scanner.kind(i);
    if (edges?.drop.includes(scanner.hash(i))) continue;
    if (kind === KIND.other || kind === KIND.date || kind === KIND.webSocketAccept)
      head += `${scanner.name(text, i)}: ${scanner.value(text, i)}\r\n`;
  }
  head += linesOf(responseSet) + linesOf(cors) + (edges?.lines ?? '');
  const upstream = exchange.takeUpstream();
  if (upstream === null) return false;
  exchange.status = 101;
  const tunnel = new Tunnel(exchange, client, upstream, context);
  upstream.user = tunnel;
  client.beginTunnel(tunnel);
  client.write(`${head}\r\n`);
  if (early.length > 0) tunnel.upstreamData(early, early.length);
  context.upgraded.add(tunnel);
  context.lasting.settle(exchange);
  // Frames that the client sent along with its handshake.
  const waiting = client.takeInput();
  if (waiting !== null) tunnel.fromClient(waiting);
  if (context.draining) tunnel.close(SERVICE_RESTART, 'service restart');
  return true;
}

/** Bytes both ways until one side ends, is idle for too long, or the stream is condemned. */
export class Tunnel implements UpstreamUser, UpgradedStream {
  readonly principal: string | null;
  readonly facts: Exchange['facts'];
  readonly #exchange: Exchange;
  readonly #client: ClientConnection;
  readonly #upstream: UpstreamConnection;
  readonly #context: WireContext;
  readonly #openedMs: number;
  readonly #idleMs: number;
  readonly #lifeMs: number;
  readonly #fromClient = new FrameTracker();
  readonly #fromUpstream = new FrameTracker();
  #condemned: { readonly code: number; readonly reason: string } | null = null;
  #clientTold = false;
  #upstreamTold = false;
  #over = false;

  constructor(exchange: Exchange, client: ClientConnection, upstream: UpstreamConnection, context: WireContext) {
    this.#exchange = exchange;
    this.#client = client;
    this.#upstream = upstream;
    this.#context = context;
    this.#openedMs = context.wheel.nowMs;
    this.facts = exchange.facts;
    this.principal = exchange.forward.principal;
    const { websocket } = exchange.forward.route.spec;
    this.#idleMs = websocket?.idleMs ?? context.limits.tunnelIdleMs;
    this.#lifeMs = websocket?.lifetimeMs ?? context.limits.tunnelLifeMs;
    upstream.deadline(0);
    this.#touch();
  }

  #touch(): void {
    if (this.#condemned !== null) return;
    const { wheel } = this.#context;
    const lifeLeftMs = this.#openedMs + this.#lifeMs - wheel.nowMs;
    wheel.set(this.#client, Math.max(1, Math.min(this.#idleMs, lifeLeftMs)));
  }

  attach(): void {}

  fromClient(bytes: Buffer): void {
    if (this.#over || this.#upstreamTold) return;
    this.#touch();
    const to = this.#fromClient.advance(bytes, 0, bytes.length, this.#condemned !== null);
    this.#exchange.tunnelledIn += to;
    if (!this.#upstream.write(to === bytes.length ? bytes : bytes.subarray(0, to))) this.#client.block(true);
    if (this.#condemned !== null) this.#tellUpstream();
  }

  upstreamDrain(): void {
    this.#client.block(false);
  }

  upstreamData(buf: Buffer, length: number): void {
    if (this.#over || this.#clientTold) return;
    this.#touch();
    const to = this.#fromUpstream.advance(buf, 0, length, this.#condemned !== null);
    this.#exchange.bytesOut += to;
    if (!this.#client.write(Buffer.from(buf.subarray(0, to)))) this.#upstream.pause();
    if (this.#condemned !== null) this.#tellClient();
  }

  clientDrained(): void {
    this.#upstream.resume();
  }

  /** A condemned stream closes where frames end, on both sides; a side that is inside a frame has until the deadline. */
  close(code: number, reason: string): void {
    if (this.#over || this.#condemned !== null) return;
    this.#condemned = { code, reason };
    this.#context.wheel.set(this.#client, CLOSE_MS);
    this.#tellClient();
    this.#tellUpstream();
  }

  #tellClient(): void {
    if (this.#over || this.#clientTold || !this.#fromUpstream.atBoundary) return;
    this.#clientTold = true;
    this.#client.write(closeFrame(this.#condemned!.code, this.#condemned!.reason, null));
    this.#told();
  }

  #tellUpstream(): void {
    if (this.#over || this.#upstreamTold || !this.#fromClient.atBoundary) return;
    this.#upstreamTold = true;
    const mask = Buffer.from(this.#context.trace.spanId().slice(0, 8), 'hex');
    this.#upstream.write(closeFrame(this.#condemned!.code, this.#condemned!.reason, mask));
    this.#told();
  }

  #told(): void {
    if (this.#clientTold && this.#upstreamTold) this.end(this.#condemned!.reason);
  }

  upstreamEnd(): void {
    this.end('the upstream closed');
  }

  upstreamFailed(): void {
    this.end('the upstream connection broke');
  }

  onDeadline(): void {
    if (this.#condemned !== null) this.end(this.#condemned.reason);
    else if (this.#context.wheel.nowMs - this.#openedMs >= this.#lifeMs) this.close(GOING_AWAY, 'lifetime limit');
    else this.close(GOING_AWAY, 'idle limit');
  }

  end(because: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.upgraded.remove(this);
    this.#upstream.finishWriting();
    this.#exchange.finish(because);
    this.#client.endTunnel(this.#condemned === null ? null : CLOSE_FLUSH_MS);
  }
}
