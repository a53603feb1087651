import type net from 'node:net';
import type { WireLimits } from './limits.ts';
import type { TimerWheel } from './timer-wheel.ts';
import { UpstreamConnection, type UpstreamUser } from './upstream-connection.ts';

const FAILURES_TO_OPEN = 5;
const OPEN_MIN_MS = 500;
const OPEN_MAX_MS = 10_000;

/** A waiting exchange, and how long it may take to get a connection. */
interface Waiting {
  readonly user: UpstreamUser;
  readonly connectMs: number;
  readonly sinceMs: number;
}

/** What all targets of a worker have in common. */
export interface TargetShared {
  readonly wheel: TimerWheel;
  readonly limits: WireLimits;
  readonly onFault: (error: unknown) => void;
  /** Authorities for TLS upstreams besides the system's; null = those only. */
  readonly ca: readonly string[] | null;
}

/** One address to send to: its connections, its queue, its health. Shared by all upstreams that name it, kept over plans. */
export class Target {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly wheel: TimerWheel;
  readonly onFault: (error: unknown) => void;
  readonly ca: readonly string[] | null;
  readonly lookup: net.LookupFunction | null;
  /** What an HTTP/1.0 request without Host is sent with. */
  readonly authority: string;
  /** Exchanges that hold or wait for a connection. */
  load = 0;
  /** Said by the active health check; true where there is none. */
  healthy = true;
  retired = false;
  readonly #limits: WireLimits;
  readonly #idle: UpstreamConnection[] = [];
  readonly #all = new Set<UpstreamConnection>();
  readonly #queue: Waiting[] = [];
  #failures = 0;
  #openUntilMs = 0;
  #openMs = 0;
  #probing = false;

  constructor(host: string, port: number, tls: boolean, lookup: net.LookupFunction | null, shared: TargetShared) {
    this.host = host;
    this.port = port;
    this.tls = tls;
    this.lookup = lookup;
    this.wheel = shared.wheel;
    this.onFault = shared.onFault;
    this.ca = shared.ca;
    this.#limits = shared.limits;
    const name = host.includes(':') ? `[${host}]` : host;
    this.authority = port === (tls ? 443 : 80) ? name : `${name}:${port}`;
  }

  /** The circuit is closed, or it is time for one trial. */
  get available(): boolean {
    return this.#openUntilMs === 0 || (!this.#probing && this.wheel.nowMs >= this.#openUntilMs);
  }

  get connections(): number {
    return this.#all.size;
  }

  /** Gives `user` a connection: a kept one at once, a new one when it is open, or one that is given back. */
  acquire(user: UpstreamUser, connectMs: number, fresh: boolean): void {
    if (this.#openUntilMs !== 0) this.#probing = true;
    if (!fresh) {
      const kept = this.#idle.pop();
      if (kept !== undefined) {
        kept.user = user;
        this.wheel.clear(kept);
        user.attach(kept);
        return;
      }
    }
    if (this.#all.size < this.#limits.connectionsPerTarget) {
      this.#all.add(new UpstreamConnection(this, user, connectMs));
      return;
    }
    if (this.#queue.length < this.#limits.queuePerTarget) this.#queue.push({ user, connectMs, sinceMs: this.wheel.nowMs });
    else user.upstreamFailed(null, 'overloaded', 'too many requests wait for this target');
  }

  /** The user no longer wants what it asked for. */
  cancel(user: UpstreamUser): void {
    const at = this.#queue.findIndex((waiting) => waiting.user === user);
    if (at >= 0) this.#queue.splice(at, 1);
    else for (const connection of this.#all) if (connection.user === user) connection.user = null;
  }

  opened(connection: UpstreamConnection): void {
    this.succeeded();
    if (connection.user !== null) connection.user.attach(connection);
    else this.release(connection);
  }

  release(connection: UpstreamConnection): void {
    this.succeeded();
    if (this.retired) {
      connection.destroy();
      return;
    }
    const next = this.#nextWaiting();
    if (next !== null) {
      connection.user = next.user;
      this.wheel.clear(connection);
      next.user.attach(connection);
      return;
    }
    this.#idle.push(connection);
    const { upstreamKeepAliveMs } = this.#limits;
    this.wheel.set(
      connection,
      connection.keepAliveMs > 0 ? Math.min(connection.keepAliveMs, upstreamKeepAliveMs) : upstreamKeepAliveMs,
    );
  }

  #nextWaiting(): Waiting | null {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (this.wheel.nowMs - next.sinceMs <= next.connectMs) return next;
      next.user.upstreamFailed(null, 'overloaded', 'no connection became free in time');
    }
    return null;
  }

  /** `because` is null where we closed it ourselves. */
  closed(connection: UpstreamConnection, because: string | null): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    if (because !== null && !connection.connected) this.failed();
    const next = this.#all.size < this.#limits.connectionsPerTarget ? this.#nextWaiting() : null;
    if (next !== null) this.#all.add(new UpstreamConnection(this, next.user, next.connectMs));
  }

  /** Queued for longer than a connection may take: told by the wheel of the directory. */
  expireQueue(): void {
    while (this.#queue.length > 0 && this.wheel.nowMs - this.#queue[0]!.sinceMs > this.#queue[0]!.connectMs) {
      this.#queue.shift()!.user.upstreamFailed(null, 'overloaded', 'no connection became free in time');
    }
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntilMs = 0;
    this.#openMs = 0;
    this.#probing = false;
  }

  /** Several failures in a row open the circuit; every failed trial doubles the pause. */
  failed(): void {
    this.#probing = false;
    if (++this.#failures < FAILURES_TO_OPEN) return;
    this.#openMs = Math.min(Math.max(this.#openMs * 2, OPEN_MIN_MS), OPEN_MAX_MS);
    this.#openUntilMs = this.wheel.nowMs + this.#openMs;
  }

  /** Idle connections to an address that the name no longer has. */
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
