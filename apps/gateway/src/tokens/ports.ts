import type { CompactJws, JwsFault, TokenProvider } from '@fluxgate/policy';
import type { VerifiedToken } from './verifiedCache.ts';

/** A token of a request, read once for all checks that look at it. */
export interface OpenedToken {
  readonly text: string;
  readonly hash: string;
  /** Verified before, under a key set that may have been replaced meanwhile; else null. */
  readonly verified: VerifiedToken | null;
  /** null if `verified` is there. */
  readonly read: CompactJws | JwsFault | null;
}

export type TokenVerdict =
  | { readonly ok: true; readonly token: VerifiedToken }
  | {
      readonly ok: false;
      readonly code: 'invalid_token' | 'keys_unavailable';
      readonly because: string;
      /** The key may exist although it is not here: the issuer can be asked for it. */
      readonly worthAsking: boolean;
    };

/** What the pipeline asks about tokens. All of it at once, but for `ask`. */
export interface TokenPort {
  open(text: string): OpenedToken;
  /** Is the signature good, by one of `algorithms` and a key of `provider`? Says nothing about claims. */
  verify(opened: OpenedToken, provider: TokenProvider, algorithms: ReadonlySet<string>): TokenVerdict;
  /** Resolves when asking the issuer for a key has come to an end; null: that would be no use now. */
  ask(opened: OpenedToken, provider: TokenProvider): Promise<void> | null;
}
