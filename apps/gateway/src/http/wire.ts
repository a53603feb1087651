import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { type Address, type CidrSet, formatAddress, type Plan, parseAddress } from '@fluxgate/policy';
import type { AnswerRefusal, ClientCert, Decide, Record as RecordExchange, Wire } from '../seam.ts';
import { ClientConnection } from './client-connection.ts';
import type { Peer } from './facts.ts';
import { strangerLines } from './forward-head.ts';
import { HeadScanner } from './head-scanner.ts';
import { LastingExchanges } from './lasting-exchanges.ts';
import { DEFAULT_LIMITS, type WireLimits } from './limits.ts';
import { requestNames, responseNames } from './names.ts';
import type { ReadContext } from './read-request.ts';
import { DateLine } from './relay-head.ts';
import type { Resolve } from './resolver.ts';
import { TimerWheel } from './timer-wheel.ts';
import { TlsDialer } from './tls-dialer.ts';
import { sampleLimit, TracePool } from './trace.ts';
import { SERVICE_RESTART } from './tunnel.ts';
import { type UpgradedStream, UpgradedStreams } from './upgraded-streams.ts';
import { type TargetStats, UpstreamDirectory } from './upstream-directory.ts';
import type { WireClock, WireContext } from './wire-context.ts';

export interface WireOptions {
  readonly plan: Plan;
  readonly decide: Decide;
  readonly answerRefusal: AnswerRefusal;
  readonly record: RecordExchange;
  /** Fills the buffer with strong random bytes. */
  readonly random: (target: Buffer) => void;
  readonly clock: WireClock;
  readonly limits?: Partial<WireLimits>;
  /** Share of the traces that begin here which are marked as sampled, 0 to 1; all unless given. A caller's own mark is kept. */
  readonly traceRatio?: number;
  /** Several workers on one port; false where the system cannot. */
  readonly reusePort?: boolean;
  /** Told of every stream that a handshake opened, and of its end. */
  readonly onUpgrade?: (stream: UpgradedStream) => void;
  readonly onUpgradeClosed?: (stream: UpgradedStream) => void;
  /** A fault of ours that cost one connection. */
  readonly onFault?: (error: unknown) => void;
  /** Addresses of an upstream's name; the system's resolver unless given. */
  readonly resolve?: Resolve;
  /** PEM behind a `file:` reference to authorities of an upstream; throws if there is none. Read from disk unless given. */
  readonly authorities?: (reference: string) => string;
}

/** Where a connection comes from, as whoever accepted it knows. */
export interface Origin {
  readonly scheme: 'http' | 'https';
  /** null: what the socket says. Otherwise what a trusted proxy said. */
  readonly source: Address | null;
  readonly vpcEndpoint: string | null;
  readonly clientCert: ClientCert | null;
}

/** What the engine offers beyond the seam. */
export interface WireEngine extends Wire {
  /** Serves a connection that somebody else accepted (a listener with TLS or PROXY protocol); the wire owns it from here on. */
  accept(socket: net.Socket, origin: Origin): void;
  /** Whether a peer's word about a connection's source is believed. */
  isTrusted(address: Address): boolean;
  /** Closes upgraded streams, e.g. of a revoked credential: code 4401 at the next frame boundary. Answers how many. */
  closeStreams(condemned: (stream: UpgradedStream) => boolean, code: number, reason: string): number;
  stats(): WireStats;
}

export interface WireStats {
  readonly clients: number;
  readonly streams: number;
  readonly targets: readonly TargetStats[];
}

const TICK_MS = 50;
/** On the way out: what is still quiet so long after the beginning had nothing on its way. */
const DRAIN_QUIET_MS = 1000;
const DRAIN_LOOK_MS = 20;
const SWEEP_TICKS = 10;
/** How every traffic socket is made, whoever listens. */
export const SERVER_OPTIONS = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 } as const;
export const BACKLOG = 4096;
/** A connection that came without TLS and without a proxy's word. */
export const PLAIN: Origin = { scheme: 'http', source: null, vpcEndpoint: null, clientCert: null };
const NOWHERE: Address = [0, 0, 0, 0];
const fileAuthorities = (reference: string): string => readFileSync(reference.replace(/^file:/, ''), 'utf8');
const systemResolve: Resolve = (host) => lookup(host, { all: true });

const withTrust = (peer: Omit<Peer, 'trusted' | 'forwarded'>, proxies: CidrSet): Peer => {
  const trusted = proxies.has(peer.address);
  return { ...peer, trusted, forwarded: trusted ? null : strangerLines(peer.text, peer.scheme) };
};

/** The HTTP/1.1 engine of one worker: both sides on sockets, every byte judged by one grammar (RFC 9112). */
export function createWire(options: WireOptions): WireEngine {
  const limits: WireLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const { clock } = options;
  const nothing = () => {};
  const onFault = options.onFault ?? nothing;
  const wheel = new TimerWheel(TICK_MS, clock.monotonicMs());
  const upstreams = new UpstreamDirectory(
    { wheel, limits, onFault, tls: new TlsDialer(options.authorities ?? fileAuthorities, onFault) },
    options.resolve ?? systemResolve,
  );
  const trace = new TracePool(options.random);
  const upgraded = new UpgradedStreams(options.onUpgrade ?? nothing, options.onUpgradeClosed ?? nothing);
  const readContext = (plan: Plan): ReadContext => ({
    names: requestNames(plan.identityHeaders),
    trustedProxies: plan.trustedProxies,
    trace,
    sampleLimit: sampleLimit(options.traceRatio ?? 1),
    // Before the route is known only what no route takes can be refused.
    bodyBytesMax: plan.routes.reduce(
      (most, route) => Math.max(most, route.bodyMaxBytes ?? 0),
      plan.settings.limits?.bodyBytes ?? limits.bodyBytes,
    ),
    head: { ...limits, headBytes: plan.settings.limits?.headBytes ?? limits.headBytes },
  });
  const read = readContext(options.plan);
  const context: WireContext = {
    read,
    draining: false,
    decide: options.decide,
    answerRefusal: options.answerRefusal,
    record: options.record,
    onFault,
    clock,
    limits,
    wheel,
    trace,
    date: new DateLine(),
    requestScanner: new HeadScanner(read.head),
    responseScanner: new HeadScanner({ headBytes: limits.responseHeadBytes, fields: limits.fields * 4, targetBytes: 0 }),
    responseNames: responseNames(),
    upstreams,
    upgraded,
    lasting: new LastingExchanges(() => clock.monotonicMs()),
  };
  upstreams.setPlan(options.plan);
  const clients = new Set<ClientConnection>();
  const forget = (client: ClientConnection): void => {
    clients.delete(client);
  };
  let ticks = 0;
  const timer = setInterval(() => {
    wheel.advance(clock.monotonicMs());
    if (++ticks % SWEEP_TICKS === 0) upstreams.sweep();
  }, TICK_MS);
  timer.unref();

  const servers: net.Server[] = [];
  const accept = (socket: net.Socket, origin: Origin): void => {
    if (clients.size >= limits.clients) {
      socket.destroy();
      return;
    }
    const address = origin.source ?? parseAddress(socket.remoteAddress ?? '') ?? NOWHERE;
    const { scheme, vpcEndpoint, clientCert } = origin;
    const text = formatAddress(address);
    const peer = withTrust({ address, text, scheme, vpcEndpoint, clientCert }, context.read.trustedProxies);
    clients.add(new ClientConnection(socket, peer, context, forget));
  };
  return {
    setPlan(plan) {
      context.read = readContext(plan);
      context.requestScanner = new HeadScanner(context.read.head);
      upstreams.setPlan(plan);
      // A proxy that is trusted no more is believed no more, on the connections it has, too.
      for (const client of clients) client.peer = withTrust(client.peer, plan.trustedProxies);
    },

    accept,

    isTrusted: (address) => context.read.trustedProxies.has(address),

    listen(port, host) {
      const server = net.createServer(SERVER_OPTIONS, (socket) => accept(socket, PLAIN));
      servers.push(server);
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host, backlog: BACKLOG, reusePort: options.reusePort ?? true }, () => {
          server.off('error', reject);
          server.on('error', onFault);
          resolve((server.address() as net.AddressInfo).port);
        });
      });
    },

    lasting: context.lasting,

    closeStreams: (condemned, code, reason) => upgraded.closeWhere(condemned, code, reason),

    stats: () => ({ clients: clients.size, streams: upgraded.size, targets: [...upstreams.stats()] }),

    async drain(deadlineMs) {
      context.draining = true;
      for (const server of servers) server.close();
      upgraded.closeWhere(() => true, SERVICE_RESTART, 'service restart');
      const endMs = clock.monotonicMs() + deadlineMs;
      // A request may be on its way on a connection that is kept: it is answered, and told that there will be no next one.
      const quietEndsMs = clock.monotonicMs() + Math.min(DRAIN_QUIET_MS, deadlineMs / 2);
      while (clients.size > 0 && clock.monotonicMs() < endMs) {
        if (clock.monotonicMs() >= quietEndsMs) for (const client of [...clients]) client.drain();
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
      }
      for (const client of [...clients]) client.destroy();
      upstreams.destroyAll();
      clearInterval(timer);
    },
  };
}
