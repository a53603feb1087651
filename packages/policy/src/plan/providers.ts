/** Where the keys of one issuer come from. Two checks with the same issuer and key URL share one. */
export interface TokenProvider {
  /** Stable over plans: names the key set in memory, on disk and in messages. */
  readonly id: string;
  readonly issuer: string;
  /** null: the issuer's metadata tells (OpenID Connect Discovery, RFC 8414). */
  readonly jwksUri: string | null;
  /** The shortest that any of its checks asks for. */
  readonly cacheTtlMs: number;
}

export class Providers {
  readonly #list: TokenProvider[] = [];

  take(issuer: string, jwksUri: string | null, cacheTtlMs: number): number {
    const id = `${issuer} ${jwksUri ?? ''}`;
    const at = this.#list.findIndex((one) => one.id === id);
    if (at < 0) return this.#list.push(Object.freeze({ id, issuer, jwksUri, cacheTtlMs })) - 1;
    const known = this.#list[at] as TokenProvider;
    if (cacheTtlMs < known.cacheTtlMs) this.#list[at] = Object.freeze({ ...known, cacheTtlMs });
    return at;
  }

  list(): readonly TokenProvider[] {
    return Object.freeze([...this.#list]);
  }
}
