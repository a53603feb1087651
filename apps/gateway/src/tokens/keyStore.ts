import { type Algorithm, agrees } from '@fluxgate/policy';
import type { KeysMessage } from '../services/messages.ts';
import { importKey, type VerifyKey } from './signature.ts';

/** One generation of an issuer's keys. Another set of keys is another object: what was verified by this one counts no more. */
export interface ImportedSet {
  readonly keys: readonly VerifyKey[];
  /** Monotonic milliseconds; moves on when the same keys were fetched again. */
  usableUntilMs: number;
}

interface Stored extends ImportedSet {
  readonly spelling: string;
  readonly byKid: ReadonlyMap<string, readonly VerifyKey[]>;
}

const NONE: readonly VerifyKey[] = [];

interface Candidate {
  readonly known: boolean;
  readonly key: VerifyKey | null;
}

/** The key sets of a worker, by provider. Two issuers never see each other's keys, whatever these are called. */
export class KeyStore {
  readonly #sets = new Map<string, Stored>();

  put(message: KeysMessage): void {
    const spelling = JSON.stringify(message.keys);
    const known = this.#sets.get(message.provider);
    if (known?.spelling === spelling) {
      known.usableUntilMs = message.usableUntilMs;
      return;
    }
    const keys = message.keys.flatMap((jwk) => importKey(jwk) ?? []);
    const byKid = new Map<string, VerifyKey[]>();
    for (const key of keys) {
      const { kid } = key.jwk;
      if (kid === null) continue;
      const namesakes = byKid.get(kid);
      if (namesakes === undefined) byKid.set(kid, [key]);
      else namesakes.push(key);
    }
    this.#sets.set(message.provider, { keys, byKid, spelling, usableUntilMs: message.usableUntilMs });
  }

  /** Of providers that the plan no longer names. */
  keepOnly(providers: ReadonlySet<string>): void {
    for (const id of this.#sets.keys()) if (!providers.has(id)) this.#sets.delete(id);
  }

  /** null: there is no set, or it is too old to be used. A set whose keys were all evicted is one: it vouches for nobody. */
  usable(provider: string, nowMs: number): ImportedSet | null {
    const set = this.#sets.get(provider);
    return set === undefined || nowMs >= set.usableUntilMs ? null : set;
  }

  /**
   * The key that must have signed. `known`: the set has keys of that id, so that asking the issuer again would bring nothing. Where several
   * keys fit (namesakes, or a token that names none), none is taken: which one was meant must not depend on the order of a list.
   */
  candidate(provider: string, kid: string | null, algorithm: Algorithm): Candidate {
    const set = this.#sets.get(provider);
    if (set === undefined) return { known: false, key: null };
    const named = kid === null ? set.keys : (set.byKid.get(kid) ?? NONE);
    const fitting = named.filter((one) => agrees(one.jwk, algorithm));
    const known = kid === null ? fitting.length > 0 : named.length > 0;
    return { known, key: fitting.length === 1 ? (fitting[0] ?? null) : null };
  }
}
