import { createHmac, randomBytes } from 'node:crypto';
import { encodeKid, encodeSecret, keyMessage } from '@fluxgate/policy';
import { keyDigest, signingSecret } from '@fluxgate/protocol/sync';
import { expect, test } from '@jest/globals';
import { KeyMac } from './hmac.ts';

test('the fast HMAC is the HMAC of RFC 2104, whatever the length of the pepper', () => {
  for (let round = 0; round < 500; round++) {
    const pepper = randomBytes([1, 16, 32, 64, 65, 200][round % 6] ?? 32);
    const kid = encodeKid(randomBytes(16));
    const secret = encodeSecret(randomBytes(32));
    const expected = createHmac('sha256', pepper).update(keyMessage(kid, secret), 'latin1').digest().subarray(0, 16);
    expect(new KeyMac(pepper).digest(kid, secret).equals(expected)).toBe(true);
  }
});

test('node and control plane agree on the digest of a key', () => {
  for (let round = 0; round < 100; round++) {
    const pepper = randomBytes(32);
    const kid = encodeKid(randomBytes(16));
    const secret = encodeSecret(randomBytes(32));
    expect(new KeyMac(pepper).matches(kid, secret, keyDigest(pepper, kid, secret))).toBe(true);
  }
});

test('one key leaves nothing behind that would help the next', () => {
  const mac = new KeyMac(randomBytes(32));
  const kid = encodeKid(randomBytes(16));
  const [mine, other] = [encodeSecret(randomBytes(32)), encodeSecret(randomBytes(32))];
  const digest = Buffer.from(mac.digest(kid, mine));
  expect(mac.matches(kid, other, digest)).toBe(false);
  expect(mac.matches(encodeKid(randomBytes(16)), mine, digest)).toBe(false);
  expect(mac.matches(kid, mine, digest)).toBe(true);
});

test('node and control plane agree on the signing secret of a key', () => {
  for (let round = 0; round < 100; round++) {
    const pepper = randomBytes([1, 32, 64, 65][round % 4] ?? 32);
    const kid = encodeKid(randomBytes(16));
    const digest = keyDigest(pepper, kid, encodeSecret(randomBytes(32)));
    const mac = new KeyMac(pepper);
    mac.digest(kid, encodeSecret(randomBytes(32)));
    expect(mac.signingSecret(kid, digest)).toEqual(signingSecret(pepper, kid, digest));
  }
});
