import type { HealthSpec } from '@fluxgate/policy';
import { HeadScanner } from './head-scanner.ts';
import type { WireLimits } from './limits.ts';
import { type NameTable, responseNames } from './names.ts';
import type { Target } from './target.ts';
import type { Timed } from './timer-wheel.ts';
import { UpstreamConnection, type UpstreamUser } from './upstream-connection.ts';

/**
 * Asks one target again and again over a connection of its own. So many misses in a row take it out of the choice, so many hits
 * bring it back. A fresh target counts as well until it proves otherwise.
 */
export class HealthCheck implements Timed, UpstreamUser {
  dueMs = 0;
  armedMs = 0;
  readonly target: Target;
  readonly #spec: HealthSpec;
  readonly #connectMs: number;
  readonly #scanner: HeadScanner;
  readonly #names: NameTable = responseNames();
  #connection: UpstreamConnection | null = null;
  #answer: Buffer | null = null;
  #run = 0;
  #stopped = false;

  constructor(target: Target, spec: HealthSpec, connectMs: number, limits: WireLimits) {
    this.target = target;
    this.#spec = spec;
    this.#connectMs = connectMs;
    this.#scanner = new HeadScanner(limits);
    target.shared.wheel.set(this, 1);
  }

  stop(): void {
    this.#stopped = true;
    this.target.shared.wheel.clear(this);
    this.#connection?.destroy();
    this.target.healthy = true;
  }

  onDeadline(): void {
    this.#answer = null;
    this.#connection = new UpstreamConnection(this.target, this, Math.min(this.#connectMs, this.#spec.timeoutMs));
  }

  attach(connection: UpstreamConnection): void {
    connection.write(
      `GET ${this.#spec.path} HTTP/1.1\r\nHost: ${this.target.authority}\r\nUser-Agent: fluxgate-health\r\nConnection: close\r\n\r\n`,
    );
    connection.deadline(this.#spec.timeoutMs);
  }

  upstreamData(buf: Buffer, length: number): void {
    const piece = Buffer.from(buf.subarray(0, length));
    this.#answer = this.#answer === null ? piece : Buffer.concat([this.#answer, piece]);
    this.#scanner.reset();
    const head = this.#scanner.scanResponse(this.#answer, 0, this.#answer.length, this.#names);
    if (head !== 0) this.#note(head > 0 && this.#isGood(this.#scanner.status));
  }

  #isGood(status: number): boolean {
    const { expect } = this.#spec;
    return expect === null ? status >= 200 && status < 500 : expect.includes(status);
  }

  upstreamEnd(): void {
    this.#note(false);
  }

  upstreamDrain(): void {}

  upstreamFailed(): void {
    this.#note(false);
  }

  #note(well: boolean): void {
    const connection = this.#connection;
    if (connection === null || this.#stopped) return;
    this.#connection = null;
    connection.destroy();
    const { target } = this;
    if (well === target.healthy) this.#run = 0;
    else if (++this.#run >= (well ? this.#spec.healthy : this.#spec.unhealthy)) {
      this.#run = 0;
      target.healthy = well;
    }
    target.shared.wheel.set(this, this.#spec.intervalMs);
  }
}
