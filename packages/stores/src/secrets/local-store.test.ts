import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { openTestDatabase, testEngines } from '../suites/engines.ts';
import { secretStoreSuite } from '../suites/secret-store.ts';
import { createKek, SecretUnreadable } from './kek.ts';
import { LocalSecretStore } from './local-store.ts';
import { Secret } from './secret.ts';

const newKek = () => createKek(Secret.fromBytes(randomBytes(32)));

for (const engine of testEngines(process.env)) {
  secretStoreSuite(`local on ${engine.name}`, async () => {
    const { db, close } = await openTestDatabase(engine);
    const kek = newKek();
    return {
      store: (realm) => new LocalSecretStore({ prisma: db.prisma, kek, realm, clock: Date.now }),
      close: async () => {
        await close();
        await engine.stop();
      },
    };
  });
}

test('rows hold no plain text, open only where they were written, and only under their KEK', async () => {
  const [pglite] = testEngines({});
  if (pglite === undefined) throw new Error('PGlite is always there');
  const { db, close } = await openTestDatabase(pglite);
  const kek = newKek();
  const open = (realm: string, key = kek) => new LocalSecretStore({ prisma: db.prisma, kek: key, realm, clock: Date.now });
  const store = open('live');
  await store.set('secret/data/a', 'f', Secret.fromText('plain-text-value'), 'x');
  await store.set('secret/data/b', 'f', Secret.fromText('other'), 'x');
  const rows = await db.prisma.secret.findMany({ orderBy: { path: 'asc' } });
  expect(rows.some((row) => Buffer.from(row.sealed).includes('plain-text-value'))).toBe(false);
  expect(await store.status()).toEqual({ ok: true });

  const stranger = open('live', newKek());
  await expect(stranger.get('secret/data/a', 'f')).rejects.toThrow(SecretUnreadable);
  expect(await stranger.status()).toMatchObject({ ok: false, remedy: expect.stringContaining('FLUXGATE_KEK_FILE') });

  // Swapped rows, a row copied to another realm, an old version under a new number: none opens.
  const [a, b] = rows;
  if (a === undefined || b === undefined) throw new Error('two rows');
  await db.prisma.secret.create({ data: { ...a, realm: 'other' } });
  await expect(open('other').get('secret/data/a', 'f')).rejects.toThrow(SecretUnreadable);
  await db.prisma.secret.updateMany({ where: { realm: 'live', path: 'secret/data/a' }, data: { sealed: b.sealed } });
  await expect(store.get('secret/data/a', 'f')).rejects.toThrow(SecretUnreadable);
  await db.prisma.secret.updateMany({ where: { realm: 'live', path: 'secret/data/a' }, data: { sealed: a.sealed, version: 5 } });
  await expect(store.get('secret/data/a', 'f')).rejects.toThrow(SecretUnreadable);
  await close();
}, 60_000);
