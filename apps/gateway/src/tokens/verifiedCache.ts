import type { JsonObject } from '@fluxgate/policy';
import type { ImportedSet } from './keyStore.ts';

/** A token whose signature was found good under a key of `set`. What it claims is judged anew on every request. */
export interface VerifiedToken {
  readonly set: ImportedSet;
  readonly alg: string;
  readonly typ: string | null;
  readonly claims: JsonObject;
}

type Generation = Map<string, { readonly token: VerifiedToken; readonly chars: number }>;

/**
 * By SHA-256 of the token, so that no token lies in memory. Two generations: when the young one is full it becomes the old one, and
 * what was not asked for since then goes. Bounded in entries and in characters of the tokens, whose claims are kept parsed.
 */
export class VerifiedCache {
  readonly #entriesMax: number;
  readonly #charsMax: number;
  #young: Generation = new Map();
  #old: Generation = new Map();
  #youngChars = 0;

  constructor(entriesMax = 10_000, charsMax = 8 * 1024 * 1024) {
    this.#entriesMax = entriesMax;
    this.#charsMax = charsMax;
  }

  get(hash: string): VerifiedToken | null {
    const young = this.#young.get(hash);
    if (young !== undefined) return young.token;
    const old = this.#old.get(hash);
    if (old === undefined) return null;
    this.put(hash, old.token, old.chars);
    return old.token;
  }

  put(hash: string, token: VerifiedToken, chars: number): void {
    if (this.#young.size >= this.#entriesMax || this.#youngChars + chars > this.#charsMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngChars = 0;
    }
    this.#young.set(hash, { token, chars });
    this.#youngChars += chars;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
