import { SecretStoreUnavailable } from '../../ports/faults.ts';
import { Secret } from '../secret.ts';
import { type Answer, isPassing, outageOf } from './answers.ts';
import { type Lease, leaseOf, loginRequest, lookedUp, type VaultLogin } from './login.ts';

/** After this part of its life a token is renewed, give or take the jitter: replicas that started together do not come together. */
const RENEW_AT = 2 / 3;
const JITTER = 0.1;
/** A token with less than this left is not used for a request any more. */
const MARGIN_MS = 1_000;
/** A login is not tried again sooner after one that was refused, or that made a token which was refused at once. */
const LOGIN_PAUSE_MS = 2_000;
const RENEW_PAUSE_MS = 30_000;

export interface SessionDoor {
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** 0 ≤ chance < 1. */
  readonly chance: () => number;
}

/** Sends one request with this token or none; throws `SecretStoreUnavailable` when there is no answer. */
export type Send = (method: 'GET' | 'POST', path: string, body: object | null, token: Secret | null) => Promise<Answer>;

interface Held extends Lease {
  readonly sinceMs: number;
  /** When to renew; infinity: never. */
  readonly renewAtMs: number;
}

/**
 * Keeps one valid token. Logs in on first need and when the token has come to its end, renews it on the way, one of each at a time. Works
 * when it is asked, without a timer: `token` before each request, `tend` now and then while nothing else asks.
 */
export class VaultSession {
  readonly #login: VaultLogin;
  readonly #send: Send;
  readonly #door: SessionDoor;
  #held: Held | null = null;
  #working: Promise<Held> | null = null;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #refusal: SecretStoreUnavailable | null = null;

  constructor(login: VaultLogin, send: Send, door: SessionDoor) {
    this.#login = login;
    this.#send = send;
    this.#door = door;
  }

  /** A token that is valid for a request now. Errors: `SecretStoreUnavailable`. */
  async token(): Promise<Secret> {
    const held = this.#held;
    const nowMs = this.#door.clock();
    if (held !== null && !this.#isOver(held, nowMs)) {
      // Renewed beside the request, which the old one still serves.
      if (nowMs >= held.renewAtMs) void this.#once(() => this.#renew(held)).catch(() => undefined);
      return held.token;
    }
    return (await this.#once(() => this.#begin())).token;
  }

  /** Renews or logs in if it is time. For a periodic job; does nothing before the first use. */
  async tend(): Promise<void> {
    const held = this.#held;
    if (held === null || this.#door.clock() < held.renewAtMs) return;
    await this.#once(() => this.#renew(held));
  }

  /** Vault refused this token: true if another one can be had, so that the request is worth repeating once. */
  async refused(token: Secret): Promise<boolean> {
    const held = this.#held;
    if (held !== null && held.token !== token) return true; // replaced meanwhile
    // A fresh token that is refused lacks the policy: another login would change nothing.
    if (held !== null && this.#door.clock() - held.sinceMs < LOGIN_PAUSE_MS) return false;
    this.#held = null;
    await this.#once(() => this.#begin());
    const fresh = this.#held as Held | null;
    return fresh !== null && fresh.token.reveal() !== token.reveal();
  }

  #isOver(held: Held, nowMs: number): boolean {
    return held.ttlMs !== null && nowMs >= held.sinceMs + held.ttlMs - Math.min(MARGIN_MS, held.ttlMs / 10);
  }

  #once(work: () => Promise<Held>): Promise<Held> {
    this.#working ??= work().finally(() => {
      this.#working = null;
    });
    return this.#working;
  }

  #keep(lease: Lease): Held {
    const sinceMs = this.#door.clock();
    const part = RENEW_AT + (this.#door.chance() - 0.5) * 2 * JITTER;
    const renewAtMs = lease.ttlMs === null ? Number.POSITIVE_INFINITY : sinceMs + lease.ttlMs * part;
    this.#held = { ...lease, sinceMs, renewAtMs };
    this.#refusal = null;
    return this.#held;
  }

  async #begin(): Promise<Held> {
    if (this.#refusal !== null && this.#door.clock() - this.#refusedAtMs < LOGIN_PAUSE_MS) throw this.#refusal;
    try {
      return this.#keep(await this.#obtain());
    } catch (error) {
      if (error instanceof SecretStoreUnavailable && error.outage === 'denied') {
        this.#refusal = error;
        this.#refusedAtMs = this.#door.clock();
      }
      throw error;
    }
  }

  async #obtain(): Promise<Lease> {
    const login = this.#login;
    if (login.method === 'token') {
      const token = readProof(login.read, 'VAULT_TOKEN');
      const answer = await this.#send('GET', 'auth/token/lookup-self', null, token);
      if (answer.status === 200) return lookedUp(answer, token);
      if (answer.status === 403)
        throw new SecretStoreUnavailable(
          'denied',
          'Vault does not know the token of the control plane',
          'set a valid VAULT_TOKEN',
        );
      throw outageOf(answer, 'look-up of the token');
    }
    const request = readProof(() => loginRequest(login), `the ${login.method} login`);
    if (request === null) throw new Error('a login without a request');
    const answer = await this.#send('POST', request.path, request.body, null);
    const lease = answer.status === 200 ? leaseOf(answer, Secret.fromText) : null;
    if (lease !== null) return lease;
    if (isPassing(answer)) throw outageOf(answer, `${login.method} login`);
    const said = answer.errors.join('; ');
    throw new SecretStoreUnavailable(
      'denied',
      `Vault refuses the ${login.method} login (status ${answer.status}${said === '' ? '' : `: ${said}`})`,
      `check the role at auth/${login.mount} and that its proof is not used up or expired (docs/vault.md)`,
    );
  }

  async #renew(held: Held): Promise<Held> {
    try {
      return await this.#prolong(held);
    } catch (error) {
      // The token still works: tried again after a pause, not with every request.
      const left = held.ttlMs === null ? RENEW_PAUSE_MS : held.sinceMs + held.ttlMs - this.#door.clock();
      if (this.#held === held)
        this.#held = { ...held, renewAtMs: this.#door.clock() + Math.max(1_000, Math.min(RENEW_PAUSE_MS, left / 4)) };
      throw error;
    }
  }

  /** A token that cannot be renewed any longer is followed by a new login; a file token is read again. */
  async #prolong(held: Held): Promise<Held> {
    if (held.renewable) {
      const answer = await this.#send('POST', 'auth/token/renew-self', {}, held.token);
      const lease = answer.status === 200 ? leaseOf(answer, Secret.fromText) : null;
      // At its max_ttl Vault still answers 200, with less and less time.
      if (lease?.ttlMs != null && lease.ttlMs > (held.ttlMs ?? 0) / 2) return this.#keep({ ...lease, token: held.token });
      if (lease === null && isPassing(answer)) throw outageOf(answer, 'renewal of the token');
    }
    const lease = await this.#obtain();
    return this.#keep(lease);
  }

  toJSON(): string {
    return '[vault session]';
  }
}

function readProof<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new SecretStoreUnavailable('denied', `${what} cannot be read (${code})`, 'let the user of the control plane read it');
  }
}
