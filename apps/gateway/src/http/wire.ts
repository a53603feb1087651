import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { type Address, formatAddress, type Plan, parseAddress } from '@fluxgate/policy';
import type { AnswerRefusal, Decide, Record as RecordExchange, Wire } from '../seam.ts';
import { ClientConnection } from './client-connection.ts';
import { HeadScanner } from './head-scanner.ts';
import { DEFAULT_LIMITS, type WireLimits } from './limits.ts';
import { requestNames, responseNames } from './names.ts';
import type { ReadContext } from './read-request.ts';
import { DateLine } from './relay-head.ts';
import type { Resolve } from './resolver.ts';
import { TimerWheel } from './timer-wheel.ts';
import { TracePool } from './trace.ts';
import { type UpgradedStream, UpgradedStreams } from './upgraded-streams.ts';
import { UpstreamDirectory } from './upstream-directory.ts';
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

/** A certificate with its key, PEM; names it is for, the first of the list being the default. */
export interface ServingCertificate {
  readonly cert: string;
  readonly key: string;
  /** Lower-case host names, `*.example.com` for one label; empty: only as the default. */
  readonly names: readonly string[];
}

export interface ListenOptions {
  readonly tls?: readonly ServingCertificate[];
}

/** What the engine offers beyond the seam. */
export interface WireEngine extends Wire {
  listen(port: number, host: string, options?: ListenOptions): Promise<number>;
  /** New certificates for all TLS listeners; connections that are open keep theirs. */
  setCertificates(certificates: readonly ServingCertificate[]): void;
  /** Closes upgraded streams, e.g. of a revoked credential: code 4401 at the next frame boundary. Answers how many. */
  closeStreams(condemned: (stream: UpgradedStream) => boolean, code: number, reason: string): number;
  stats(): WireStats;
}

export interface WireStats {
  readonly clients: number;
  readonly streams: number;
  readonly targets: readonly {
    readonly authority: string;
    readonly connections: number;
    readonly load: number;
    readonly healthy: boolean;
    readonly available: boolean;
  }[];
}

const TICK_MS = 50;
const SWEEP_TICKS = 10;
const NOWHERE: Address = [0, 0, 0, 0];
const fileAuthorities = (reference: string): string => readFileSync(reference.replace(/^file:/, ''), 'utf8');
const systemResolve: Resolve = (host) => lookup(host, { all: true });

/** The HTTP/1.1 engine of one worker: both sides on sockets, every byte judged by one grammar (RFC 9112). */
export function createWire(options: WireOptions): WireEngine {
  const limits: WireLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const { clock } = options;
  const nothing = () => {};
  const onFault = options.onFault ?? nothing;
  const wheel = new TimerWheel(TICK_MS, clock.monotonicMs());
  const upstreams = new UpstreamDirectory(
    { wheel, limits, onFault, authorities: options.authorities ?? fileAuthorities },
    options.resolve ?? systemResolve,
  );
  const trace = new TracePool(options.random);
  const upgraded = new UpgradedStreams(options.onUpgrade ?? nothing, options.onUpgradeClosed ?? nothing);
  const readContext = (plan: Plan): ReadContext => ({
    names: requestNames(plan.identityHeaders),
    trustedProxies: plan.trustedProxies,
    trace,
    bodyBytesMax: plan.settings.limits?.bodyBytes ?? limits.bodyBytes,
    head: { ...limits, headBytes: plan.settings.limits?.headBytes ?? limits.headBytes },
  });
  const context: WireContext = {
    read: readContext(options.plan),
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
    requestScanner: new HeadScanner(limits),
    responseScanner: new HeadScanner({ headBytes: limits.responseHeadBytes, fields: limits.fields * 4, targetBytes: 0 }),
    responseNames: responseNames(),
    upstreams,
    upgraded,
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
  const tlsServers: tls.Server[] = [];
  const accept = (socket: net.Socket, scheme: 'http' | 'https'): void => {
    if (clients.size >= limits.clients || context.draining) {
      socket.destroy();
      return;
    }
    const address = parseAddress(socket.remoteAddress ?? '') ?? NOWHERE;
    const trusted = context.read.trustedProxies.has(address);
    clients.add(
      new ClientConnection(
        socket,
        { address, text: formatAddress(address), scheme, vpcEndpoint: null, clientCert: null, trusted },
        context,
        forget,
      ),
    );
  };
  const serverOptions = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

  const createServer = (listen: ListenOptions): net.Server => {
    if (listen.tls === undefined) return net.createServer(serverOptions, (socket) => accept(socket, 'http'));
    const server = tls.createServer(
      { ...serverOptions, ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.2', handshakeTimeout: limits.headMs },
      (socket) => accept(socket, 'https'),
    );
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    serve(server, listen.tls);
    tlsServers.push(server);
    return server;
  };

  return {
    setPlan(plan) {
      context.read = readContext(plan);
      context.requestScanner = new HeadScanner(context.read.head);
      upstreams.setPlan(plan);
    },

    listen(port, host, listen = {}) {
      const server = createServer(listen);
      servers.push(server);
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host, backlog: 4096, reusePort: options.reusePort ?? true }, () => {
          server.off('error', reject);
          server.on('error', onFault);
          resolve((server.address() as net.AddressInfo).port);
        });
      });
    },

    setCertificates(certificates) {
      for (const server of tlsServers) serve(server, certificates);
    },

    closeStreams: (condemned, code, reason) => upgraded.closeWhere(condemned, code, reason),

    stats: () => ({ clients: clients.size, streams: upgraded.size, targets: [...upstreams.stats()] }),

    async drain(deadlineMs) {
      context.draining = true;
      for (const server of servers) server.close();
      for (const client of [...clients]) client.drain();
      const endMs = clock.monotonicMs() + deadlineMs;
      while (clients.size > 0 && clock.monotonicMs() < endMs) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const client of [...clients]) client.destroy();
      upstreams.destroyAll();
      clearInterval(timer);
    },
  };
}

/** The first certificate answers whoever names no other. */
function serve(server: tls.Server, certificates: readonly ServingCertificate[]): void {
  const [first, ...others] = certificates;
  if (first === undefined) throw new Error('a TLS listener needs a certificate');
  server.setSecureContext({ cert: first.cert, key: first.key, minVersion: 'TLSv1.2' });
  for (const one of others) for (const name of one.names) server.addContext(name, { cert: one.cert, key: one.key });
}
