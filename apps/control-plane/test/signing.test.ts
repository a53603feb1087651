import { generateKeyPairSync } from 'node:crypto';
import { formatSigningSecret, parseKey } from '@fluxgate/policy';
import type { IssuedKey, Problem, RotatedKey } from '@fluxgate/protocol/admin';
import { buildState, signingSecret } from '@fluxgate/protocol/sync';
import { readPepperRing } from '@fluxgate/stores/secrets';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Plane, startPlane, type Tenant } from './harness.ts';

let plane: Plane;
beforeAll(async () => {
  plane = await startPlane();
}, 60_000);
afterAll(() => plane.close());

const state = async (tenant: Tenant) => buildState((await plane.services.db.snapshot(tenant.realm)).records);

/** What a node makes of its record of the key, written as a client holds it. */
async function secretOnNode(tenant: Tenant, kid: string): Promise<string> {
  const record = (await state(tenant)).keys.get(kid);
  const ring = await readPepperRing(plane.services.secretsOf(tenant.realm), 'secret/data/api-keys');
  const pepper = ring?.peppers.get(record?.pepperVersion ?? 0) as Uint8Array;
  return formatSigningSecret(tenant.realm, kid, signingSecret(pepper, kid, record?.digest as Uint8Array));
}

test('a key that signs is given a signing secret in place of a key, and every rotation gives another', async () => {
  const tenant = await plane.newRealm();
  const made = await tenant.post<IssuedKey>('/v1/keys', { name: 'signer', signing: { algorithm: 'hmac-sha256' } });
  expect(made.status).toBe(201);
  const first = parseKey(made.body.secret ?? '');
  if (!first.ok) throw new Error('not in the format of a secret');
  expect(first).toMatchObject({ kind: 's', realm: tenant.realm });
  expect(await secretOnNode(tenant, first.kid)).toBe(made.body.secret);
  const record = (await state(tenant)).keys.get(first.kid);
  expect((await state(tenant)).grants.get(record?.grant ?? 0)).toMatchObject({ signing: { algorithm: 'hmac-sha256' } });

  const rotated = await tenant.post<RotatedKey>('/v1/keys/signer/rotate', {});
  const second = parseKey(rotated.body.secret ?? '');
  if (!second.ok) throw new Error('not in the format of a secret');
  expect(second).toMatchObject({ kind: 's' });
  expect(rotated.body.secret).not.toBe(made.body.secret);
  expect(await secretOnNode(tenant, second.kid)).toBe(rotated.body.secret);
  expect(await secretOnNode(tenant, first.kid)).toBe(made.body.secret);
});

test('the signing secret is stored nowhere, not even in the answer kept for a retry', async () => {
  const tenant = await plane.newRealm();
  const made = await tenant.post<IssuedKey>('/v1/keys', { name: 'signer', signing: { algorithm: 'hmac-sha256' } });
  const parsed = parseKey(made.body.secret ?? '');
  if (!parsed.ok) throw new Error('not in the format of a secret');
  const { prisma } = plane.services.db;
  const rows = [await prisma.idempotentReply.findMany(), await prisma.credential.findMany(), await prisma.keyVersion.findMany()];
  const all = JSON.stringify(rows, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  expect(all).toContain('signer');
  expect(all).not.toContain(parsed.secret);
});

test('how a key signs survives every change of what it may do', async () => {
  const tenant = await plane.newRealm();
  const { publicKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  const signing = { algorithm: 'ed25519', publicKey: x };
  const made = await tenant.post<IssuedKey>('/v1/keys', { name: 'signer', signing });
  expect(parseKey(made.body.secret ?? '')).toMatchObject({ ok: true, kind: 'k' });
  expect((await tenant.patch('/v1/keys/signer', { scopes: ['read:metrics'] })).status).toBe(200);
  const built = await state(tenant);
  const [record] = built.keys.values();
  expect(built.grants.get(record?.grant ?? 0)).toMatchObject({ scopes: ['read:metrics'], signing });
});

test.each([
  ['an identity element, under which anybody could sign', `AQ${'A'.repeat(41)}`],
  ['a text that is no canonical base64url', `${'A'.repeat(42)}B`],
])('a public key that is %s is refused', async (_what, publicKey) => {
  const tenant = await plane.newRealm();
  const answer = await tenant.post<Problem>('/v1/keys', { name: 'signer', signing: { algorithm: 'ed25519', publicKey } });
  expect(answer.status).toBe(400);
  expect(JSON.stringify(answer.body)).toContain('signing.publicKey');
});
