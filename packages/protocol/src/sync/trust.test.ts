import { createHmac } from 'node:crypto';
import { encodeKid, encodeSecret } from '@fluxgate/policy';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeKeyPayload, encodeKeyPayload, keyDigest } from './key-payload.ts';
import { formatNodeToken, parseNodeToken } from './node-token.ts';
import { generateSealingKey, openSealed, sealingPublicKey, sealTo } from './seal.ts';
import { generateSigningKey, publicKeyFingerprint } from './signing.ts';
import { parseFromNode, parseToNode, TEXT_CHARS_MAX } from './text.ts';

describe('key payload and digest', () => {
  test('a key payload gives back the record', () => {
    fc.assert(
      fc.property(
        fc.record({
          digest: fc.uint8Array({ minLength: 16, maxLength: 16 }),
          pepperVersion: fc.integer({ min: 0, max: 255 }),
          state: fc.constantFrom('active' as const, 'retiring' as const, 'revoked' as const, 'suspended' as const),
          notAfterS: fc.integer({ min: 0, max: 0xffff_ffff }),
          grant: fc.integer({ min: 0, max: 0xffff_ffff }),
          credential: fc.integer({ min: 0, max: 0xffff_ffff }),
          name: fc.string({ unit: 'grapheme', maxLength: 20 }),
        }),
        (record) => {
          const decoded = decodeKeyPayload('abcDEF012345', encodeKeyPayload(record));
          if (!decoded.ok) throw new Error(decoded.why);
          expect({ ...decoded.value, digest: Array.from(decoded.value.digest) }).toEqual({
            kid: 'abcDEF012345',
            ...record,
            digest: Array.from(record.digest),
          });
        },
      ),
    );
  });

  test('the digest is the first half of the HMAC over context, kid and secret', () => {
    const pepper = Buffer.alloc(32, 4);
    const kid = encodeKid(Buffer.alloc(16, 1)).slice(0, 12);
    const secret = encodeSecret(Buffer.alloc(32, 2));
    const whole = createHmac('sha256', pepper).update(`fluxgate/api-key/1\0${kid}\0${secret}`, 'latin1').digest();
    expect(keyDigest(pepper, kid, secret)).toEqual(whole.subarray(0, 16));
  });
});

describe('sealing', () => {
  const node = generateSealingKey();

  test('only the private key it was sealed to opens it', () => {
    const sealed = sealTo(node.publicKey, Buffer.from('pepper'));
    expect(openSealed(node.privateKey, sealed)).toEqual({ ok: true, value: Buffer.from('pepper') });
    expect(openSealed(generateSealingKey().privateKey, sealed).ok).toBe(false);
    expect(openSealed(node.privateKey, sealed, 'another purpose').ok).toBe(false);
    expect(sealed.includes('pepper')).toBe(false);
    expect(sealingPublicKey(node.privateKey)).toEqual(node.publicKey);
  });

  test('a flipped bit, a cut and random bytes are refused', () => {
    const sealed = sealTo(node.publicKey, Buffer.from('some secret content'));
    for (let i = 0; i < sealed.length; i++) {
      const copy = Buffer.from(sealed);
      copy[i] = copy[i]! ^ 1;
      expect(openSealed(node.privateKey, copy).ok).toBe(false);
      expect(openSealed(node.privateKey, sealed.subarray(0, i)).ok).toBe(false);
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !openSealed(node.privateKey, bytes).ok));
    // A point of low order would make the shared secret known to everybody.
    expect(openSealed(node.privateKey, Buffer.concat([Buffer.of(1), Buffer.alloc(32), Buffer.alloc(40)])).ok).toBe(false);
  });
});

describe('node token', () => {
  const kid = encodeKid(Buffer.alloc(16, 3)).slice(0, 12);
  const secret = encodeSecret(Buffer.alloc(32, 9));
  const fingerprint = publicKeyFingerprint(generateSigningKey().publicKey);

  test('a token gives back realm, kid, secret and fingerprint', () => {
    const text = formatNodeToken('live', kid, secret, fingerprint);
    expect(text).toMatch(/^fgn_live_/);
    expect(parseNodeToken(text)).toMatchObject({ realm: 'live', kid, secret, fingerprint });
  });

  test('anything else is no token', () => {
    const text = formatNodeToken('live', kid, secret, fingerprint);
    for (const bad of [
      '',
      'x',
      text.slice(0, -1),
      `${text}a`,
      text.replace('fgn_', 'fgk_'),
      text.slice(0, text.lastIndexOf('_')),
      'a_'.repeat(400),
    ]) {
      expect(parseNodeToken(bad)).toBeNull();
    }
    fc.assert(fc.property(fc.string(), (s) => parseNodeToken(s) === null));
  });
});

describe('text messages', () => {
  test('what is not of the protocol is refused, without repeating what was in it', () => {
    for (const text of [
      '',
      '{',
      '[]',
      'null',
      '{"t":"hello"}',
      '{"t":"evil"}',
      '['.repeat(200_000),
      'x'.repeat(TEXT_CHARS_MAX + 1),
    ]) {
      expect(parseFromNode(text).ok).toBe(false);
      expect(parseToNode(text).ok).toBe(false);
    }
    const leaky = parseToNode('{"t":"secrets","generation":"1","sealed":"s3cr3t!!"}');
    expect(leaky.ok).toBe(false);
    expect(JSON.stringify(leaky)).not.toContain('s3cr3t');
  });

  test('a message of the protocol is read', () => {
    expect(
      parseFromNode('{"t":"lease_request","id":1,"subject":{"kind":"quota","credential":5,"window":"2026-11-21"},"want":3}').ok,
    ).toBe(true);
    expect(parseToNode('{"t":"usage_ack","seq":4}')).toEqual({ ok: true, value: { t: 'usage_ack', seq: 4 } });
  });

  test('random text never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => typeof parseFromNode(text).ok === 'boolean'));
  });
});
