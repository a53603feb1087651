import type net from 'node:net';
import type { CompiledTarget, Outlier, UpstreamTls } from '@fluxgate/policy';
import type { WireLimits } from './limits.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { TlsDialer } from './tls-dialer.ts';
import { UpstreamConnection, type UpstreamUser } from './upstream-connection.ts';

const FAILURES_TO_OPEN = 5;
const OPEN_MIN_MS = 500;
const OPEN_MAX_MS = 10_000;

/** How a connection is asked for. */
export interface Acquisition {
  readonly connectMs: number;
  /** Connections to this target, and exchanges that wait for one. */
  readonly connections: number;
  readonly queue: number;
  /** No kept connection: the last one was dead. */
  readonly fresh: boolean;
}

interface Waiting extends Acquisition {
  readonly user: UpstreamUser;
  readonly sinceMs: number;
}

/** What all targets of a worker have in common. */
export interface TargetShared {
  readonly wheel: TimerWheel;
  readonly limits: WireLimits;
  readonly onFault: (error: unknown) => void;
  readonly tls: TlsDialer;
}

/** One address to send to: its connections, its queue, its health. Shared by all upstreams that name it, kept over plans. */
export class Target {
  readonly key: string;
  readonly host: string;
  readonly port: number;
  /** Null: plain. */
  readonly secure: { readonly sni: string | null; readonly ca: string | null; readonly verify: boolean } | null;
  readonly lookup: net.LookupFunction | null;
  readonly shared: TargetShared;
  /** As a Host field names it. */
  readonly authority: string;
  /** Exchanges that hold or wait for a connection. */
  load = 0;
  /** Said by the active health check; true where there is none. */
  healthy = true;
  retired = false;
  outlier: Outlier | null = null;
  /** Exchanges that had to wait for a connection, since the target is known. */
  waits = 0;
  readonly #idle: UpstreamConnection[] = [];
  readonly #all = new Set<UpstreamConnection>();
  readonly #queue: Waiting[] = [];
  #failures = 0;
  #openUntilMs = 0;
  #openMs = 0;
  #probing = false;
  /** The failures were of connecting: nobody is there, and trying costs time. */
  #unreachable = false;

  constructor(
    key: string,
    spec: CompiledTarget,
    secure: UpstreamTls | null,
    lookup: net.LookupFunction | null,
    shared: TargetShared,
  ) {
    this.key = key;
    this.host = spec.host;
    this.port = spec.port;
    this.secure = spec.tls ? { sni: secure?.sni ?? null, ca: secure?.ca ?? null, verify: secure?.verify ?? true } : null;
    this.lookup = lookup;
    this.shared = shared;
    const name = spec.host.includes(':') ? `[${spec.host}]` : spec.host;
    this.authority = spec.port === (spec.tls ? 443 : 80) ? name : `${name}:${spec.port}`;
  }

  /** The circuit is closed, or it is time for one trial. */
  get available(): boolean {
    return this.#openUntilMs === 0 || (!this.#probing && this.shared.wheel.nowMs >= this.#openUntilMs);
  }

  /** Answers badly rather than not at all: better than nothing, if there is nothing else. */
  get lastResort(): boolean {
    return !this.#unreachable;
  }

  /** Exchanges that wait for a connection now. */
  get waiting(): number {
    return this.#queue.length;
  }

  get connections(): number {
    return this.#all.size;
  }

  /** Gives `user` a connection: a kept one at once, a new one when it is open, or one that is given back. */
  acquire(user: UpstreamUser, how: Acquisition): void {
    if (this.#openUntilMs !== 0) this.#probing = true;
    if (!how.fresh) {
      const kept = this.#idle.pop();
      if (kept !== undefined) {
        this.#lend(kept, user);
        return;
      }
    }
    if (this.#all.size < how.connections) this.#connect(user, how.connectMs);
    else if (this.#queue.length < how.queue) {
      this.waits++;
      this.#queue.push({ ...how, user, sinceMs: this.shared.wheel.nowMs });
    } else user.upstreamFailed(null, 'overloaded', 'too many requests wait for this target');
  }

  #lend(connection: UpstreamConnection, user: UpstreamUser): void {
    connection.user = user;
    this.shared.wheel.clear(connection);
    user.attach(connection);
  }

  #connect(user: UpstreamUser, connectMs: number): void {
    let connection: UpstreamConnection;
    try {
      connection = new UpstreamConnection(this, user, connectMs);
    } catch (error) {
      this.failed(true);
      user.upstreamFailed(null, 'connect', error instanceof Error ? error.message : String(error));
      return;
    }
    this.#all.add(connection);
  }

  /** The user no longer wants what it asked for. */
  cancel(user: UpstreamUser): void {
    const at = this.#queue.findIndex((waiting) => waiting.user === user);
    if (at >= 0) this.#queue.splice(at, 1);
    else for (const connection of this.#all) if (connection.user === user) connection.user = null;
  }

  opened(connection: UpstreamConnection): void {
    if (this.#unreachable) this.succeeded();
    if (connection.user !== null) connection.user.attach(connection);
    else this.release(connection);
  }

  release(connection: UpstreamConnection): void {
    if (this.retired) {
      connection.destroy();
      return;
    }
    const next = this.#nextWaiting();
    if (next !== null) {
      this.#lend(connection, next.user);
      return;
    }
    this.#idle.push(connection);
    const { upstreamKeepAliveMs } = this.shared.limits;
    this.shared.wheel.set(
      connection,
      connection.keepAliveMs > 0 ? Math.min(connection.keepAliveMs, upstreamKeepAliveMs) : upstreamKeepAliveMs,
    );
  }

  #nextWaiting(): Waiting | null {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (this.shared.wheel.nowMs - next.sinceMs <= next.connectMs) return next;
      next.user.upstreamFailed(null, 'overloaded', 'no connection became free in time');
    }
    return null;
  }

  /** `because` is null where we closed it ourselves. */
  closed(connection: UpstreamConnection, because: string | null): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    if (because !== null && !connection.connected) this.failed(true);
    if (this.#queue.length === 0 || this.#all.size >= this.#queue[0]!.connections) return;
    const next = this.#nextWaiting();
    if (next !== null) this.#connect(next.user, next.connectMs);
  }

  /** Refuses who has waited longer than a connection may take. Called about twice a second. */
  expireQueue(): void {
    while (this.#queue.length > 0 && this.shared.wheel.nowMs - this.#queue[0]!.sinceMs > this.#queue[0]!.connectMs) {
      this.#queue.shift()!.user.upstreamFailed(null, 'overloaded', 'no connection became free in time');
    }
  }

  succeeded(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#openUntilMs = 0;
    this.#openMs = 0;
    this.#probing = false;
    this.#unreachable = false;
  }

  /**
   * Several failures in a row open the circuit; every failed trial doubles the pause. Failures to connect count always, failures to
   * answer well only where the upstream asks for outlier ejection.
   */
  failed(unreachable: boolean): void {
    this.#probing = false;
    if (!unreachable && this.outlier === null) return;
    this.#unreachable = unreachable;
    if (++this.#failures < (this.outlier?.failures ?? FAILURES_TO_OPEN)) return;
    const firstMs = this.outlier?.ejectionMs ?? OPEN_MIN_MS;
    this.#openMs = Math.min(Math.max(this.#openMs * 2, firstMs), Math.max(OPEN_MAX_MS, firstMs));
    this.#openUntilMs = this.shared.wheel.nowMs + this.#openMs;
  }

  /** Closes idle connections whose address the target no longer has. */
  dropIdle(keep: (address: string | undefined) => boolean): void {
    for (const connection of [...this.#idle]) if (!keep(connection.socket.remoteAddress)) connection.destroy();
  }

  retire(): void {
    this.retired = true;
    this.dropIdle(() => false);
  }

  destroyAll(): void {
    this.retired = true;
    for (const connection of [...this.#all]) connection.destroy();
  }
}
