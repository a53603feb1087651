import type { Grant } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import { decodeGrant } from './entities.ts';
import { jsonPayload } from './index.ts';

const PLAIN: Grant = { scopes: [], routes: null, cidrs: null, quota: null, requestBudget: null, owner: null };
const decoded = (grant: object) => decodeGrant(jsonPayload(grant));

test('how a credential signs is carried; a grant from before reads as it did', () => {
  expect(decoded(PLAIN)).toEqual({ ok: true, value: PLAIN });
  const hmac = { ...PLAIN, signing: { algorithm: 'hmac-sha256' } };
  const pair = { ...PLAIN, signing: { algorithm: 'ed25519', publicKey: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs' } };
  expect(decoded(hmac)).toEqual({ ok: true, value: hmac });
  expect(decoded(pair)).toEqual({ ok: true, value: pair });
});

test.each([
  { algorithm: 'rsa-pss-sha512' },
  { algorithm: 'ed25519' },
  { algorithm: 'ed25519', publicKey: 'short' },
  { algorithm: 'hmac-sha256', secret: 'x' },
  'hmac-sha256',
])('a way of signing that cannot be understood makes the whole grant unreadable: %p', (signing) => {
  expect(decoded({ ...PLAIN, signing }).ok).toBe(false);
});
