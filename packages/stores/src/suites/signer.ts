import { createPublicKey, verify } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type PublicSigningJwk, type Signer, type SigningAlgorithm, SigningKeyMissing } from '../ports/signer.ts';

export interface SignerFixture {
  /** The signer of one realm, opened anew each time as after a restart; realms share a backend. */
  signer(realm: string): Signer;
  close(): Promise<void>;
}

const HASH: Readonly<Record<SigningAlgorithm, string>> = { ES256: 'sha256', ES384: 'sha384', RS256: 'sha256' };

function verifies(jwk: PublicSigningJwk, input: Uint8Array, signature: Uint8Array): boolean {
  const { kid: _, use: __, alg, ...material } = jwk;
  const key = createPublicKey({ key: { ...material }, format: 'jwk' });
  return verify(HASH[alg], input, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** What every signer promises. */
export function signerSuite(name: string, open: () => Promise<SignerFixture>): void {
  describe(`a signer: ${name}`, () => {
    let fixture: SignerFixture;
    const input = Buffer.from('eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJtZSJ9', 'ascii');
    beforeAll(async () => {
      fixture = await open();
    }, 60_000);
    afterAll(() => fixture.close());

    test.each([
      ['ES256', 64],
      ['ES384', 96],
      ['RS256', null],
    ] as const)(
      '%s: signatures verify under the public key that generate answered, and under no other',
      async (alg, bytes) => {
        const signer = fixture.signer('verify');
        const [one, other] = [await signer.generate(alg), await signer.generate(alg)];
        const signature = await signer.sign(one.kid, input);
        expect(verifies(one, input, signature)).toBe(true);
        expect(verifies(other, input, signature)).toBe(false);
        expect(verifies(one, Buffer.concat([input, Buffer.of(0x41)]), signature)).toBe(false);
        if (bytes !== null) expect(signature).toHaveLength(bytes);
        else expect(signature.length).toBeGreaterThanOrEqual(256);
      },
      60_000,
    );

    test('a public key has the members of RFC 7517 and no private one, and a kid of its own', async () => {
      const signer = fixture.signer('members');
      const made = [await signer.generate('ES256'), await signer.generate('ES256'), await signer.generate('RS256')];
      expect(new Set(made.map(({ kid }) => kid)).size).toBe(3);
      expect(Object.keys(made[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
      expect(Object.keys(made[2] ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
      for (const { kid, use } of made) expect([use, /^[A-Za-z0-9_-]{12,200}$/.test(kid)]).toEqual(['sig', true]);
    }, 60_000);

    test('another replica, or the same one after a restart, signs with the same key', async () => {
      const jwk = await fixture.signer('restart').generate('ES256');
      expect(verifies(jwk, input, await fixture.signer('restart').sign(jwk.kid, input))).toBe(true);
    });

    test('fifty signatures at once are all good', async () => {
      const signer = fixture.signer('burst');
      const jwk = await signer.generate('ES256');
      const inputs = Array.from({ length: 50 }, (_, i) => Buffer.from(`a.${i}`));
      const signatures = await Promise.all(inputs.map((one) => signer.sign(jwk.kid, one)));
      expect(signatures.every((signature, i) => verifies(jwk, inputs[i] ?? input, signature))).toBe(true);
    });

    test('realms do not sign with each other’s keys', async () => {
      const jwk = await fixture.signer('mine').generate('ES256');
      await expect(fixture.signer('yours').sign(jwk.kid, input)).rejects.toThrow(SigningKeyMissing);
      expect(await fixture.signer('yours').list()).toEqual([]);
    });

    test('a key that was forgotten signs nothing more, a kid that never was is no key, and forgetting twice is fine', async () => {
      const signer = fixture.signer('forget');
      const [kept, gone] = [await signer.generate('ES256'), await signer.generate('ES256')];
      await signer.sign(gone.kid, input);
      await signer.forget(gone.kid);
      await signer.forget(gone.kid);
      await expect(signer.sign(gone.kid, input)).rejects.toThrow(SigningKeyMissing);
      await expect(fixture.signer('forget').sign(gone.kid, input)).rejects.toThrow(SigningKeyMissing);
      await expect(signer.sign('../../no-such-key', input)).rejects.toThrow(SigningKeyMissing);
      expect((await signer.list()).map(({ kid }) => kid)).toEqual([kept.kid]);
    });

    test('printing a signer shows no key', async () => {
      const signer = fixture.signer('print');
      const jwk = await signer.generate('ES256');
      await signer.sign(jwk.kid, input);
      const shown = JSON.stringify(signer) + inspect(signer, { depth: 10, showHidden: true });
      expect(shown).not.toMatch(/PRIVATE|"d":|MIGH|MHcC/);
    });
  });
}
