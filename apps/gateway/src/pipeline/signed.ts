import { createHmac, hash, timingSafeEqual, verify } from 'node:crypto';
import {
  type CompiledRoute,
  type ContentDigest,
  canonicalAuthority,
  formatSigningSecret,
  matchKey,
  type ReadSignature,
  readSignature,
  SIGNED_BODY_BYTES_MAX,
  type SignatureSpec,
  type SignedMessage,
} from '@fluxgate/policy';
import type { BodyProof, RequestFacts } from '../seam.ts';
import { doubled, type KeyRoom, lookUp, remember, shownKey, stalled } from './authenticate.ts';
import type { Exchange, RefusalOrPass } from './exchange.ts';
import type { CompiledGrant } from './grants.ts';
import type { KeyMac } from './hmac.ts';

const NO_DIGEST = new Uint8Array(16);

/**
 * A request that is signed with its key (RFC 9421) needs no key in a header. Order: form, times and coverage (all without a look-up)
 * → index → signature → a bare key beside it, if there is one → state and time of the key → nonce. So only the owner learns what
 * became of the key, and only a request that would pass uses its nonce up.
 */
export function authenticateSigned(
  x: Exchange,
  room: KeyRoom,
  spec: SignatureSpec,
  queryParameter: string | null,
): RefusalOrPass {
  if (x.askedSignature === spec) return x.authenticationCode;
  x.askedSignature = spec;
  x.grant = null;
  const code = examine(x, room, spec, queryParameter);
  x.authenticationCode = code;
  return code;
}

function examine(x: Exchange, room: KeyRoom, spec: SignatureSpec, queryParameter: string | null): RefusalOrPass {
  x.possession = 'absent';
  const settings = x.plan.apiKey;
  if (room.replays === null || settings === null) {
    x.possession = 'impossible';
    x.because = 'signed requests need a memory of nonces, and this gateway has none';
    return 'not_enforceable';
  }
  const message = messageOf(x.facts);
  const read = readSignature(message, spec, x.nowMs);
  if (!read.ok && read.code === 'signature_missing') return told(x, read.code, read.why);
  x.keyShown = true;
  if (!read.ok) return told(x, read.code, read.why);
  // Router and upstream go by the canonical path: what was signed must be that very spelling.
  const sentPath = message.target.split('?', 1)[0];
  if (sentPath !== x.facts.path) return told(x, 'bad_target', 'a signed target must be sent in its canonical spelling');

  const unsafe = unsafeField(x.facts, read.fields);
  if (unsafe !== null) return told(x, 'signature_invalid', unsafe);

  const { peppers, index } = room;
  if (peppers === null || room.decoy === null || index === null) {
    x.possession = 'impossible';
    x.because = index === null ? 'no key index has arrived yet' : 'no pepper ring has arrived yet';
    return 'validation_unavailable';
  }
  const view = lookUp(room, index, read.kid);
  if (view === undefined) return stalled(x);
  if (view === null) {
    isHmac(read, room.decoy, room.realm, NO_DIGEST); // as slow as a wrong signature
    return told(x, 'signature_invalid', 'unknown key id');
  }
  const mac = peppers.get(view.pepperVersion);
  const grant = room.grants.get(view.grant);
  if (mac === undefined || grant === null) {
    x.possession = 'impossible';
    x.because =
      mac === undefined
        ? `pepper version ${view.pepperVersion} is not in the ring`
        : `grant ${view.grant} is not in the state of this node`;
    return 'validation_unavailable';
  }
  if (!isSignedBy(read, grant.signing, mac, room.realm, view.digest))
    return told(
      x,
      'signature_invalid',
      grant.signing === null ? 'the key is not one that signs' : 'the signature is not that of the key',
    );

  const shown = shownKey(x, settings, queryParameter);
  if ('refusal' in shown) return shown.refusal;
  if (shown.text !== '') {
    const key = matchKey(shown.text, 'k', room.realm);
    if (!key.ok || key.kid !== read.kid) return doubled(x, 'a key beside the signature of another one');
    if (!mac.matches(key.kid, key.secret, view.digest)) return told(x, 'invalid_api_key', 'wrong secret beside a signature');
  }
  x.possession = 'proven';
  x.kid = read.kid;
  const refusal = remember(x, room, view);
  if (refusal !== null) return refusal;
  x.digests = read.digests;
  return takeNonce(x, room, read);
}

function takeNonce(x: Exchange, room: KeyRoom, read: ReadSignature): RefusalOrPass {
  const nonce = `${read.kid} ${read.nonce}`;
  // The same request, judged again: after a wait for an issuer, or for another alternative of the route.
  if (x.nonceTaken === nonce) return null;
  const verdict = room.replays?.take(read.kid, read.nonce, read.createdS, read.endsS, x.nowMs) ?? 'stalled';
  switch (verdict) {
    case 'fresh':
      x.nonceTaken = nonce;
      return null;
    case 'replayed':
      return told(x, 'signature_replayed', 'the nonce was used before');
    case 'unknown':
      return told(x, 'validation_unavailable', 'signed before this gateway began to remember nonces: sign anew');
    case 'full':
      return told(x, 'overloaded', 'no room to remember the nonce');
    case 'stalled':
      return told(x, 'validation_unavailable', 'the memory of nonces is held by a thread that is gone');
  }
}

/** The credential says what it signs with; the request only has to say the same. */
function isSignedBy(
  read: ReadSignature,
  signing: CompiledGrant['signing'],
  mac: KeyMac,
  realm: string,
  digest: Uint8Array,
): boolean {
  if (signing === 'hmac-sha256') return isHmac(read, mac, realm, digest);
  if (signing === null || read.algorithm !== 'ed25519') return false;
  return verify(null, Buffer.from(read.base, 'latin1'), signing, read.signature);
}

function isHmac(read: ReadSignature, mac: KeyMac, realm: string, digest: Uint8Array): boolean {
  if (read.algorithm !== 'hmac-sha256') return false;
  const secret = formatSigningSecret(realm, read.kid, mac.signingSecret(read.kid, digest));
  return timingSafeEqual(createHmac('sha256', secret).update(read.base, 'latin1').digest(), read.signature);
}

/**
 * What the upstream gets of a covered field must be what was signed. Somebody on the way cannot change it, but could list it in Connection,
 * so that it goes no further, or add it with `_` for `-`, which servers of the CGI family read as the same field.
 */
function unsafeField(facts: RequestFacts, fields: readonly string[]): string | null {
  const listed = facts.headerValues('connection').join(',').toLowerCase().replaceAll('_', '-').split(',');
  const dropped = new Set(listed.map((token) => token.trim()));
  for (const name of fields) {
    if (dropped.has(name.replaceAll('_', '-'))) return `Connection takes the covered ${name} away`;
    if (facts.hasTwin(name)) return `a field that may be read as the covered ${name}`;
  }
  return null;
}

const messageOf = (facts: RequestFacts): SignedMessage => ({
  method: facts.method,
  scheme: facts.scheme,
  authority: canonicalAuthority(facts.hostText, facts.scheme),
  target: facts.rawTarget,
  path: facts.path,
  query: facts.query,
  hasBody: facts.hasBody,
  fieldValues: (name) => facts.headerValues(name),
});

/** Content-Digest is part of what was signed; here the body has to keep the word that was given for it (RFC 9530). */
export function bodyProof(route: CompiledRoute, digests: readonly ContentDigest[]): BodyProof {
  const ofRoute = route.spec.bodyMaxBytes ?? SIGNED_BODY_BYTES_MAX;
  return {
    bytesMax: Math.min(ofRoute, route.bodyMaxBytes ?? ofRoute),
    refusal: (body) => {
      for (const { algorithm, bytes } of digests) {
        const found = hash(algorithm === 'sha-256' ? 'sha256' : 'sha512', body, 'buffer');
        if (!timingSafeEqual(found, bytes))
          return { code: 'signature_invalid', because: `the body has not the ${algorithm} that was signed` };
      }
      return null;
    },
  };
}

function told(x: Exchange, code: Exclude<RefusalOrPass, null>, because: string): RefusalOrPass {
  x.because = because;
  return code;
}
