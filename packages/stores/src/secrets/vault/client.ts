import { SecretStoreUnavailable } from '../../ports/faults.ts';
import type { Secret } from '../secret.ts';
import { type Answer, isPassing, member, outageOf, readAnswer } from './answers.ts';
import type { VaultLogin } from './login.ts';
import { type SessionDoor, VaultSession } from './session.ts';
import { TransportFailed, type VaultReply, type VaultRequest, type VaultTransport } from './transport.ts';

export interface VaultSettings {
  /** VAULT_ADDR, e.g. https://vault.example.com:8200. */
  readonly address: string;
  readonly namespace: string | null;
  readonly login: VaultLogin;
  /** For one exchange. */
  readonly timeoutMs?: number;
}

export interface VaultDoor extends SessionDoor {
  readonly transport: VaultTransport;
  readonly sleep: (ms: number) => Promise<void>;
}

export type VaultMethod = VaultRequest['method'] | 'LIST';

const TIMEOUT_MS = 3_000;
/** Only for requests that change nothing. */
const ATTEMPTS_MAX = 3;
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 1_000;
const REDIRECTS_MAX = 1;

export type VaultHealth =
  | { readonly ok: true; readonly version: string }
  | { readonly ok: false; readonly error: SecretStoreUnavailable };

/** The part of Vault's HTTP API that FluxGate uses. It logs nothing, and what it throws holds no token and no value. */
export class VaultClient {
  readonly #address: URL;
  readonly #namespace: string | null;
  readonly #timeoutMs: number;
  readonly #door: VaultDoor;
  readonly #session: VaultSession;

  constructor(settings: VaultSettings, door: VaultDoor) {
    this.#address = new URL(settings.address);
    this.#namespace = settings.namespace;
    this.#timeoutMs = settings.timeoutMs ?? TIMEOUT_MS;
    this.#door = door;
    this.#session = new VaultSession(
      settings.login,
      (method, path, body, token) => this.#exchange(method, path, body, token, method === 'GET'),
      door,
    );
  }

  /**
   * One request as the control plane. Every answer below 500 comes back but 403 and those of a node that does not serve; reads are tried
   * again, writes never, unless no byte of them was sent. Errors: `SecretStoreUnavailable`.
   */
  async request(method: VaultMethod, path: string, body: object | null = null): Promise<Answer> {
    const idempotent = method === 'GET' || method === 'LIST';
    let token = await this.#session.token();
    for (let turn = 0; ; turn += 1) {
      const answer = await this.#exchange(method, path, body, token, idempotent);
      if (answer.status !== 403) return answer;
      // Expired or revoked under way, or not allowed: 403 either way, and nothing was done.
      if (turn > 0 || !(await this.#session.refused(token))) throw outageOf(answer, `${method} ${path}`);
      token = await this.#session.token();
    }
  }

  /** Is there a Vault that serves, and does it know the control plane? Changes nothing. */
  async health(): Promise<VaultHealth> {
    try {
      const found = await this.#health();
      const sealed = member(found.body, 'sealed') === true;
      if (sealed || found.status === 503)
        return { ok: false, error: outageOf({ ...found, status: 503, errors: ['Vault is sealed'] }, 'health') };
      if (member(found.body, 'initialized') === false || found.status === 501) {
        const remedy = 'initialise it: `bao operator init` or `vault operator init`';
        return { ok: false, error: new SecretStoreUnavailable('sealed', 'Vault is not initialised', remedy) };
      }
      if (found.status !== 200) return { ok: false, error: outageOf(found, 'health') };
      await this.#session.token();
      return { ok: true, version: String(member(found.body, 'version') ?? '') };
    } catch (error) {
      if (error instanceof SecretStoreUnavailable) return { ok: false, error };
      throw error;
    }
  }

  async #health(): Promise<Answer> {
    try {
      return await this.#once('GET', 'sys/health?standbyok=true&perfstandbyok=true', null, null);
    } catch (error) {
      throw error instanceof TransportFailed ? this.#lost(error, true) : error;
    }
  }

  /** Keeps the token alive while nobody asks; for a periodic job. */
  tend(): Promise<void> {
    return this.#session.tend();
  }

  async #exchange(
    method: VaultMethod,
    path: string,
    body: object | null,
    token: Secret | null,
    idempotent: boolean,
  ): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      let answer: Answer;
      try {
        answer = await this.#once(method, path, body, token);
      } catch (error) {
        if (!(error instanceof TransportFailed)) throw error;
        if ((idempotent || !error.sent) && error.kind === 'unreachable' && attempt < ATTEMPTS_MAX) {
          await this.#pause(attempt, null);
          continue;
        }
        throw this.#lost(error, idempotent);
      }
      if (!isPassing(answer)) return answer;
      if (!idempotent || attempt >= ATTEMPTS_MAX || (answer.retryAfterMs ?? 0) > PAUSE_MAX_MS)
        throw outageOf(answer, `${method} ${path.split('?')[0]}`);
      await this.#pause(attempt, answer.retryAfterMs);
    }
  }

  #pause(attempt: number, askedMs: number | null): Promise<void> {
    const ownMs = PAUSE_MS * 2 ** (attempt - 1) * (0.5 + this.#door.chance());
    return this.#door.sleep(Math.min(PAUSE_MAX_MS, Math.max(ownMs, askedMs ?? 0)));
  }

  #lost({ kind, sent, message }: TransportFailed, idempotent: boolean): SecretStoreUnavailable {
    return new SecretStoreUnavailable(
      kind,
      `Vault at ${this.#address.host} ${kind === 'timeout' ? 'is too slow' : 'cannot be reached'}: ${message}`,
      'check VAULT_ADDR, the network and that Vault runs; gateways are not affected',
      { outcome: idempotent || !sent ? 'not_done' : 'unknown' },
    );
  }

  async #once(method: VaultMethod, path: string, body: object | null, token: Secret | null): Promise<Answer> {
    const base = this.#address.href.endsWith('/') ? this.#address.href : `${this.#address.href}/`;
    // LIST as GET: Vault takes both, and not every proxy lets a method of its own pass.
    let url = new URL(`v1/${path}${method === 'LIST' ? '?list=true' : ''}`, base);
    const headers = {
      'x-vault-request': 'true',
      ...(this.#namespace === null ? {} : { 'x-vault-namespace': this.#namespace }),
      ...(token === null ? {} : { 'x-vault-token': token.reveal() }),
      ...(body === null ? {} : { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }),
    };
    for (let redirects = 0; ; redirects += 1) {
      const reply = await this.#send({
        method: method === 'LIST' ? 'GET' : method,
        url,
        headers,
        body: body === null ? null : JSON.stringify(body),
      });
      const target = reply.status === 307 || reply.status === 308 ? reply.headers['location'] : undefined;
      if (target === undefined) return readAnswer(reply);
      // A standby points at the active node. The token goes along, so never from TLS to clear.
      const next: URL | null = URL.canParse(target, url.href) ? new URL(target, url) : null;
      if (next === null || redirects >= REDIRECTS_MAX || next.protocol !== url.protocol || next.username !== '') {
        const remedy = 'set VAULT_ADDR to the active node or to the load balancer';
        throw new SecretStoreUnavailable('standby', 'Vault redirects to where its token may not go', remedy);
      }
      url = next;
    }
  }

  #send(request: Omit<VaultRequest, 'timeoutMs'>): Promise<VaultReply> {
    return this.#door.transport({ ...request, timeoutMs: this.#timeoutMs });
  }

  toJSON(): string {
    return `[vault at ${this.#address.host}]`;
  }
}
