import { createHash, createHmac, sign as signWith } from 'node:crypto';
import { canonicalAuthority, canonicalTarget, composeSignature, contentDigestField, type SignedMessage } from '@fluxgate/policy';
import { usage } from '../failure.ts';
import type { SigningKey } from './keyFile.ts';

export interface SignOrder {
  readonly method: string;
  readonly url: string;
  /** null: no body. */
  readonly body: Uint8Array | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly key: SigningKey;
  readonly createdS: number;
  readonly expiresS: number | null;
  readonly nonce: string;
}

export interface SignedRequest {
  readonly method: string;
  readonly url: string;
  readonly keyid: string;
  /** The request needs all of these, and may have more. */
  readonly headers: readonly (readonly [string, string])[];
  readonly createdAt: string;
}

/**
 * Signs method, authority, path, query, the digest of the body, and every header that is given (RFC 9421). The target is signed as it is
 * written, so it must be written as gateways see it: another spelling would be refused there.
 */
export function signRequest(order: SignOrder): SignedRequest {
  const found = /^(https?):\/\/([^/?#@\s]+)((?:[/?][^#\s]*)?)$/i.exec(order.url);
  if (found === null)
    throw usage(`${order.url} is not an http or https URL without user and fragment`, {
      hint: 'Write e.g. https://api.example.com/v1/orders?limit=10',
    });
  const [, scheme = '', host = '', rest = ''] = found;
  const target = rest.startsWith('/') ? rest : `/${rest}`;
  const canonical = canonicalTarget(target);
  if (!canonical.ok) throw usage(`no gateway takes ${target}: ${canonical.why}`);
  const [sentPath] = target.split('?', 1);
  if (canonical.path !== sentPath)
    throw usage(`${sentPath} is signed as it is written, and gateways read it as ${canonical.path}`, {
      hint: `Write ${scheme}://${host}${canonical.path}`,
    });

  const headers: (readonly [string, string])[] = [...order.headers];
  if (order.body !== null) headers.push(['Content-Digest', contentDigestField(createHash('sha256').update(order.body).digest())]);
  const lower = scheme.toLowerCase() === 'https' ? 'https' : 'http';
  const message: SignedMessage = {
    method: order.method,
    scheme: lower,
    authority: canonicalAuthority(host, lower),
    target,
    path: canonical.path,
    query: canonical.query,
    hasBody: order.body !== null,
    fieldValues: (name) => headers.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value),
  };
  const names = [...new Set(headers.map(([name]) => name.toLowerCase()))];
  const composed = composeSignature(message, {
    kid: order.key.kid,
    algorithm: order.key.algorithm,
    covers: ['@method', '@authority', '@path', '@query', ...names],
    createdS: order.createdS,
    expiresS: order.expiresS,
    nonce: order.nonce,
  });
  if (!composed.ok) throw usage(`the request cannot be signed: ${composed.why}`);
  const base = Buffer.from(composed.value.base, 'latin1');
  const signature =
    order.key.algorithm === 'hmac-sha256'
      ? createHmac('sha256', order.key.secret).update(base).digest()
      : signWith(null, base, order.key.key);
  headers.push(['Signature-Input', composed.value.input], ['Signature', composed.value.signatureField(signature)]);
  return {
    method: order.method,
    url: order.url,
    keyid: order.key.kid,
    headers,
    createdAt: new Date(order.createdS * 1000).toISOString(),
  };
}
