import net from 'node:net';
import tls from 'node:tls';
import type { Target } from './target.ts';
import type { Timed } from './timer-wheel.ts';

/** What an upstream connection tells the exchange that holds it. */
export interface UpstreamUser {
  /** Connected (at once for a kept connection): the request may be written. */
  attach(connection: UpstreamConnection): void;
  /** `buf[0, length)` is valid only during the call. */
  upstreamData(buf: Buffer, length: number): void;
  upstreamEnd(): void;
  upstreamDrain(): void;
  /** The connection is gone or never came about. */
  upstreamFailed(connection: UpstreamConnection | null, failure: UpstreamFailure, because: string): void;
}

export type UpstreamFailure = 'connect' | 'connect_timeout' | 'broken' | 'timeout' | 'overloaded' | 'unreachable';

/**
 * All upstream sockets of a worker read into one buffer: a read is handled before the next one begins, so nothing is allocated per
 * read; what must be kept is copied out.
 */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

/** One socket to a target: idle in the pool, or lent to one exchange. */
export class UpstreamConnection implements Timed {
  dueMs = 0;
  armedMs = 0;
  user: UpstreamUser | null;
  /** It carried an exchange before: a failure without a byte may be the race with the other side's idle timeout. */
  reused = false;
  connected = false;
  closed = false;
  readonly target: Target;
  readonly socket: net.Socket;
  readonly openedMs: number;
  /** How long the other side says it keeps the connection; 0 = it does not say. */
  keepAliveMs = 0;
  #paused = false;

  constructor(target: Target, user: UpstreamUser | null, connectMs: number) {
    this.target = target;
    this.user = user;
    this.openedMs = target.shared.wheel.nowMs;
    const onread = { buffer: readBuffer, callback: (length: number, buf: Uint8Array) => this.#data(length, buf as Buffer) };
    const { host, port, lookup, secure } = target;
    const address = { host, port, onread, ...(lookup !== null && { lookup }) };
    if (secure !== null) {
      this.socket = tls.connect({ ...address, ...target.shared.tls.options(host, secure) });
      this.socket.setNoDelay(true);
    } else this.socket = net.connect({ ...address, noDelay: true });
    this.socket.on(secure !== null ? 'secureConnect' : 'connect', () => this.#open());
    this.socket.on('drain', () => this.user?.upstreamDrain());
    this.socket.on('end', () => this.#end());
    this.socket.on('error', (error: Error) => this.#gone(error.message));
    this.socket.on('close', () => this.#gone('closed'));
    target.shared.wheel.set(this, connectMs);
  }

  #open(): void {
    if (this.closed) return;
    this.connected = true;
    this.target.shared.wheel.clear(this);
    this.target.opened(this);
  }

  #data(length: number, buf: Buffer): boolean {
    const { user } = this;
    // Bytes that nobody asked for: whatever they are, they must not become the next response.
    if (user === null) this.destroy();
    else {
      try {
        user.upstreamData(buf, length);
      } catch (error) {
        this.target.shared.onFault(error);
        this.#gone('a fault of the gateway');
      }
    }
    return true;
  }

  #end(): void {
    if (this.user === null) this.destroy();
    else this.user.upstreamEnd();
  }

  #gone(because: string): void {
    if (this.closed) return;
    this.closed = true;
    this.target.shared.wheel.clear(this);
    this.socket.destroy();
    const { user } = this;
    this.user = null;
    this.target.closed(this, because);
    user?.upstreamFailed(this, this.connected ? 'broken' : 'connect', because);
  }

  onDeadline(): void {
    const { user } = this;
    if (user === null) {
      if (this.connected) this.destroy();
      else this.#timedOut(null);
      return;
    }
    this.#timedOut(user);
  }

  #timedOut(user: UpstreamUser | null): void {
    const failure = this.connected ? 'timeout' : 'connect_timeout';
    this.user = null;
    if (failure === 'connect_timeout') this.target.failed(true);
    this.destroy();
    user?.upstreamFailed(this, failure, failure === 'timeout' ? 'no byte within the limit' : 'no connection within the limit');
  }

  /** Deadline of the exchange in milliseconds from now; 0 = none. */
  deadline(afterMs: number): void {
    if (afterMs === 0) this.target.shared.wheel.clear(this);
    else this.target.shared.wheel.set(this, afterMs);
  }

  /** False: wait for `upstreamDrain`. */
  write(data: string | Buffer): boolean {
    return typeof data === 'string' ? this.socket.write(data, 'latin1') : this.socket.write(data);
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.socket.resume();
  }

  /** The exchange is over and both sides agree where: the next one may have it. */
  release(): void {
    this.user = null;
    this.reused = true;
    this.resume();
    this.target.release(this);
  }

  /** What was written still goes out; nothing is read any more. */
  finishWriting(): void {
    if (this.closed) return;
    this.user = null;
    this.resume();
    this.socket.end();
    this.target.shared.wheel.set(this, 1000);
  }

  /** Never to be used again. The user, if any, is not told. */
  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    this.user = null;
    this.target.shared.wheel.clear(this);
    this.socket.destroy();
    this.target.closed(this, null);
  }
}
