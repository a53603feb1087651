import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { RuleBroken } from '../ports/faults.ts';
import { classified } from '../postgres/classify.ts';
import { createKek, SecretUnreadable } from '../secrets/kek.ts';
import { Secret } from '../secrets/secret.ts';
import { openTestDatabase, testEngines } from '../suites/engines.ts';
import { signerSuite } from '../suites/signer.ts';
import { LocalSigner } from './local-signer.ts';

const newKek = () => createKek(Secret.fromBytes(randomBytes(32)));
const input = Buffer.from('a.b');

for (const engine of testEngines(process.env)) {
  signerSuite(`local on ${engine.name}`, async () => {
    const { db, close } = await openTestDatabase(engine);
    const kek = newKek();
    return {
      signer: (realm) => new LocalSigner({ prisma: db.prisma, kek, realm, clock: Date.now }),
      close: async () => {
        await close();
        await engine.stop();
      },
    };
  });
}

test('rows hold no private key, open only where they were written and under their KEK, and a clear one is refused by the table', async () => {
  const [pglite] = testEngines({});
  if (pglite === undefined) throw new Error('PGlite is always there');
  const { db, close } = await openTestDatabase(pglite);
  const kek = newKek();
  const local = (realm: string, by = kek) => new LocalSigner({ prisma: db.prisma, kek: by, realm, clock: Date.now });
  const [one, two] = [await local('live').generate('ES256'), await local('live').generate('ES256')];
  const rows = await db.prisma.signingKey.findMany();
  for (const { sealed, publicJwk } of rows) {
    // PKCS #8 of an EC key names its curve; sealed bytes name nothing.
    expect(Buffer.from(sealed).includes(Buffer.from('06082a8648ce3d030107', 'hex'))).toBe(false);
    expect(Object.keys(publicJwk as object)).not.toContain('d');
  }

  await expect(local('live', newKek()).sign(one.kid, input)).rejects.toThrow(SecretUnreadable);
  // A swapped row, a row copied to another realm, a row relabelled with another algorithm: none opens.
  const sealedOf = (kid: string) => rows.find((row) => row.kid === kid)?.sealed ?? new Uint8Array();
  await db.prisma.signingKey.updateMany({ where: { kid: one.kid }, data: { sealed: sealedOf(two.kid) } });
  await expect(local('live').sign(one.kid, input)).rejects.toThrow(SecretUnreadable);
  await db.prisma.signingKey.updateMany({ where: { kid: one.kid }, data: { sealed: sealedOf(one.kid), algorithm: 'ES384' } });
  await expect(local('live').sign(one.kid, input)).rejects.toThrow(SecretUnreadable);
  await db.prisma.signingKey.updateMany({ where: { kid: two.kid }, data: { realm: 'other' } });
  await expect(local('other').sign(two.kid, input)).rejects.toThrow(SecretUnreadable);

  const row = { kid: 'x', realm: 'live', algorithm: 'ES256', publicJwk: {}, sealed: new Uint8Array(60).fill(1) };
  const create = (data: object) => classified(() => db.prisma.signingKey.create({ data: { ...row, ...data } }));
  await expect(create({ publicJwk: { kty: 'EC', d: 'private' } })).rejects.toThrow(RuleBroken);
  await expect(create({ sealed: new Uint8Array(Buffer.from(`-----BEGIN PRIVATE KEY-----${'A'.repeat(99)}`)) })).rejects.toThrow(
    RuleBroken,
  );
  await expect(create({ sealed: new Uint8Array(Buffer.from(`30818702${'00'.repeat(90)}`, 'hex')) })).rejects.toThrow(RuleBroken);
  await close();
}, 60_000);
