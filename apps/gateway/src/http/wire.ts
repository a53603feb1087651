import net from 'node:net';
import { type Address, formatAddress, type Plan, parseAddress } from '@fluxgate/policy';
import type { AnswerRefusal, Decide, Record as RecordExchange, Wire } from '../seam.ts';
import { ClientConnection } from './client-connection.ts';
import { HeadScanner } from './head-scanner.ts';
import { DEFAULT_LIMITS, type WireLimits } from './limits.ts';
import { requestNames, responseNames } from './names.ts';
import type { ReadContext } from './read-request.ts';
import { DateLine } from './relay-head.ts';
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
}

const TICK_MS = 50;
const SWEEP_TICKS = 20;
const NOWHERE: Address = [0, 0, 0, 0];

/** The HTTP/1.1 engine of one worker: both sides on sockets, every byte judged by one grammar (RFC 9112). */
export function createWire(options: WireOptions): Wire {
  const limits: WireLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const { clock } = options;
  const wheel = new TimerWheel(TICK_MS, clock.monotonicMs());
  const upstreams = new UpstreamDirectory(wheel, limits);
  const trace = new TracePool(options.random);
  const nothing = () => {};
  const upgraded = new UpgradedStreams(options.onUpgrade ?? nothing, options.onUpgradeClosed ?? nothing);
  const readContext = (plan: Plan): ReadContext => ({
    names: requestNames(plan.identityHeaders),
    trustedProxies: plan.trustedProxies,
    trace,
    bodyBytesMax: limits.bodyBytes,
  });
  const context: WireContext = {
    read: readContext(options.plan),
    draining: false,
    decide: options.decide,
    answerRefusal: options.answerRefusal,
    record: options.record,
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
  const accept = (socket: net.Socket): void => {
    if (clients.size >= limits.clients || context.draining) {
      socket.destroy();
      return;
    }
    const address = parseAddress(socket.remoteAddress ?? '') ?? NOWHERE;
    const trusted = context.read.trustedProxies.has(address);
    clients.add(
      new ClientConnection(
        socket,
        { address, text: formatAddress(address), scheme: 'http', vpcEndpoint: null, trusted },
        context,
        forget,
      ),
    );
  };

  return {
    setPlan(plan) {
      context.read = readContext(plan);
      upstreams.setPlan(plan);
    },

    listen(port, host) {
      const server = net.createServer(
        { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 },
        accept,
      );
      servers.push(server);
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host, backlog: 4096, reusePort: options.reusePort ?? true }, () => {
          server.off('error', reject);
          server.on('error', nothing);
          resolve((server.address() as net.AddressInfo).port);
        });
      });
    },

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
