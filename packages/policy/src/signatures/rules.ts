import type { SignedMessage } from './message.ts';

/** What a route asks of the signature of a request; `signature: required` in the configuration. */
export interface SignatureSpec {
  /** A signature older than this is refused. */
  readonly maxAgeMs: number;
  /** To be covered besides the method, the target and the digest of a body: `@…`, and fields, wherever the request has them. */
  readonly covers: readonly string[];
}

export const DEFAULT_SIGNATURE_AGE_MS = 300_000;
/** How far the clocks of client and node may be apart. */
export const SIGNATURE_SKEW_S = 60;
export const SIGNATURE_TAG = 'fluxgate';
/** Largest body of a signed request unless the route says otherwise: all of it is held until its digest is known to be right. */
export const SIGNED_BODY_BYTES_MAX = 1_048_576;

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/;
const DERIVED: ReadonlySet<string> = new Set([
  '@method',
  '@scheme',
  '@authority',
  '@target-uri',
  '@request-target',
  '@path',
  '@query',
]);

/** May stand in `signature_covers`. */
export const isCoverable = (name: string): boolean => (name.startsWith('@') ? DERIVED.has(name) : FIELD_NAME.test(name));

/**
 * null: enough is covered that nobody can change what the request means. Otherwise what is missing. The query counts even where there
 * is none: else somebody could add one. A named field counts where it is there: one that was covered and taken away leaves a signature
 * without a base, one that was not covered and added is found here.
 */
export function uncovered(names: ReadonlySet<string>, spec: SignatureSpec, message: SignedMessage): string | null {
  if (!names.has('@method')) return '@method';
  if (!names.has('@target-uri')) {
    if (!names.has('@authority')) return '@authority';
    if (!names.has('@request-target')) {
      if (!names.has('@path')) return '@path';
      if (!names.has('@query')) return '@query';
    }
  }
  if (message.hasBody && !names.has('content-digest')) return 'content-digest';
  const isThere = (name: string): boolean => name.startsWith('@') || message.fieldValues(name).length > 0;
  return spec.covers.find((name) => !names.has(name) && isThere(name)) ?? null;
}

/** `Accept-Signature` (RFC 9421 §5.1) for a request that came without a good signature. */
export function acceptSignature(spec: SignatureSpec | null, hasBody: boolean): string {
  const names = new Set([
    '@method',
    '@authority',
    '@path',
    '@query',
    ...(hasBody ? ['content-digest'] : []),
    ...(spec?.covers ?? []),
  ]);
  return `sig=(${[...names].map((name) => `"${name}"`).join(' ')});created;tag="${SIGNATURE_TAG}"`;
}
