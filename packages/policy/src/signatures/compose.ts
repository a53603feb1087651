import { encodeBase64 } from '../fields/base64.ts';
import { serializeInnerList } from '../fields/serialize.ts';
import type { BareItem, FieldReading, InnerList } from '../fields/structured.ts';
import { signatureBase } from './base.ts';
import type { SignedMessage } from './message.ts';
import type { SignatureAlgorithm } from './read.ts';
import { SIGNATURE_TAG } from './rules.ts';

export interface SignatureOrder {
  readonly kid: string;
  readonly algorithm: SignatureAlgorithm;
  /** Names of fields in lower case and of derived components, in the order in which they shall stand. */
  readonly covers: readonly string[];
  readonly createdS: number;
  /** null: the age that the route allows is enough. */
  readonly expiresS: number | null;
  readonly nonce: string;
}

/** What a client signs. */
export interface ComposedSignature {
  /** ASCII: the octets to be signed. */
  readonly base: string;
  /** Value of Signature-Input. */
  readonly input: string;
  /** Value of Signature for these octets. */
  signatureField(signature: Uint8Array): string;
}

const LABEL = 'sig';

/** The client's half of RFC 9421 §3.1. Refuses where the request lacks what shall be covered. */
export function composeSignature(message: SignedMessage, order: SignatureOrder): FieldReading<ComposedSignature> {
  const parameters = new Map<string, BareItem>([['created', { type: 'integer', value: order.createdS }]]);
  if (order.expiresS !== null) parameters.set('expires', { type: 'integer', value: order.expiresS });
  parameters.set('nonce', { type: 'string', value: order.nonce });
  parameters.set('keyid', { type: 'string', value: order.kid });
  parameters.set('alg', { type: 'string', value: order.algorithm });
  parameters.set('tag', { type: 'string', value: SIGNATURE_TAG });
  const covered: InnerList = {
    items: order.covers.map((name) => ({ bare: { type: 'string', value: name }, parameters: new Map() })),
    parameters,
  };
  const base = signatureBase(message, covered);
  if (!base.ok) return base;
  return {
    ok: true,
    value: {
      base: base.value,
      input: `${LABEL}=${serializeInnerList(covered)}`,
      signatureField: (signature) => `${LABEL}=:${encodeBase64(signature)}:`,
    },
  };
}

/** Value of Content-Digest for the SHA-256 of a body. */
export const contentDigestField = (sha256: Uint8Array): string => `sha-256=:${encodeBase64(sha256)}:`;
