import { hash } from 'node:crypto';
import { algorithmOf, type Plan, readCompactJws, type TokenProvider } from '@fluxgate/policy';
import type { KeysMessage } from '../services/messages.ts';
import { KeyStore } from './keyStore.ts';
import { nativeDecoder } from './nativeDecoder.ts';
import type { OpenedToken, TokenPort, TokenVerdict } from './ports.ts';
import { verifySignature } from './signature.ts';
import { VerifiedCache, type VerifiedToken } from './verifiedCache.ts';

export interface TokenDeskParts {
  readonly monotonicMs: () => number;
  /** Asks the services thread; resolves with the time before which another question is no use, or null when nobody answered. */
  readonly ask: (provider: string, kid: string | null) => Promise<number | null>;
  readonly cache?: VerifiedCache;
}

/** Requests that may wait for one issuer at a time, per worker. */
const WAITING_MAX = 2000;
const ABSENT_MAX = 256;
/** For so long an id that the issuer was asked for in vain is not asked for again by this worker. */
const ABSENT_MS = 5000;

interface Asking {
  waiting: number;
  coolUntilMs: number;
  readonly absent: Map<string, number>;
}

const no = (code: 'invalid_token' | 'keys_unavailable', because: string, worthAsking = false): TokenVerdict => ({
  ok: false,
  code,
  because,
  worthAsking,
});

/** One worker's tokens: keys that are ready, signatures that were checked, questions to the services thread. */
export class TokenDesk implements TokenPort {
  readonly #parts: TokenDeskParts;
  readonly #keys = new KeyStore();
  readonly #cache: VerifiedCache;
  readonly #asking = new Map<string, Asking>();

  constructor(parts: TokenDeskParts) {
    this.#parts = parts;
    this.#cache = parts.cache ?? new VerifiedCache();
  }

  setPlan(plan: Plan): void {
    const ids = new Set(plan.providers.map((one) => one.id));
    this.#keys.keepOnly(ids);
    for (const id of this.#asking.keys()) if (!ids.has(id)) this.#asking.delete(id);
  }

  setKeys(message: KeysMessage): void {
    this.#keys.put(message);
    this.#asking.get(message.provider)?.absent.clear();
  }

  open(text: string): OpenedToken {
    const digest = hash('sha256', text, 'base64');
    const verified = this.#cache.get(digest);
    return { text, hash: digest, verified, read: verified === null ? readCompactJws(text, nativeDecoder) : null };
  }

  verify(opened: OpenedToken, provider: TokenProvider, algorithms: ReadonlySet<string>): TokenVerdict {
    const set = this.#keys.usable(provider.id, this.#parts.monotonicMs());
    const before = opened.verified;
    if (before !== null && before.set === set && algorithms.has(before.alg)) return { ok: true, token: before };
    const read = opened.read ?? readCompactJws(opened.text, nativeDecoder);
    if (!read.ok) return no('invalid_token', read.why);
    // What the check believes, then what the token says: never the other way round.
    const algorithm = algorithms.has(read.alg) ? algorithmOf(read.alg) : null;
    if (algorithm === null) return no('invalid_token', 'its algorithm is not accepted here');
    if (set === null) return no('keys_unavailable', `there are no usable keys of ${provider.issuer}`, true);
    const { known, key } = this.#keys.candidate(provider.id, read.kid, algorithm);
    if (key === null) {
      if (!known) return no('invalid_token', 'it names a key that the issuer does not publish', true);
      return no('invalid_token', 'no single key of the issuer fits its key id and algorithm');
    }
    const data = Buffer.from(opened.text.slice(0, read.signedChars), 'latin1');
    if (!verifySignature(algorithm, key, data, read.signature)) return no('invalid_token', 'its signature is wrong');
    const token: VerifiedToken = { set, alg: read.alg, typ: read.typ, claims: read.claims };
    this.#cache.put(opened.hash, token, opened.text.length);
    return { ok: true, token };
  }

  ask(opened: OpenedToken, provider: TokenProvider): Promise<void> | null {
    const read = opened.read ?? readCompactJws(opened.text, nativeDecoder);
    if (!read.ok) return null;
    let asking = this.#asking.get(provider.id);
    if (asking === undefined) {
      asking = { waiting: 0, coolUntilMs: Number.NEGATIVE_INFINITY, absent: new Map() };
      this.#asking.set(provider.id, asking);
    }
    const nowMs = this.#parts.monotonicMs();
    if (nowMs < asking.coolUntilMs || asking.waiting >= WAITING_MAX) return null;
    if (read.kid !== null && (asking.absent.get(read.kid) ?? Number.NEGATIVE_INFINITY) > nowMs) return null;
    return this.#wait(asking, provider.id, read.kid);
  }

  async #wait(asking: Asking, provider: string, kid: string | null): Promise<void> {
    asking.waiting += 1;
    try {
      const coolUntilMs = await this.#parts.ask(provider, kid);
      if (coolUntilMs === null) return;
      asking.coolUntilMs = coolUntilMs;
      if (kid === null) return;
      if (asking.absent.size >= ABSENT_MAX) asking.absent.clear();
      // Cleared when a new set arrives; if that held the key, nobody asks for it again.
      asking.absent.set(kid, this.#parts.monotonicMs() + ABSENT_MS);
    } finally {
      asking.waiting -= 1;
    }
  }
}
