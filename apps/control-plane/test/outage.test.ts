import type { Problem } from '@fluxgate/protocol/admin';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Plane, startPlane, type Tenant } from './harness.ts';

let plane: Plane;
let tenant: Tenant;
beforeAll(async () => {
  plane = await startPlane();
  tenant = await plane.newRealm();
  await plane.opened.db.close();
}, 60_000);
afterAll(() => plane.close().catch(() => undefined));

test('with the database away every operation answers 503 within seconds, and says that trying again may help', async () => {
  const startMs = performance.now();
  for (const [method, path, body] of [
    ['GET', '/v1/whoami', undefined],
    ['GET', '/v1/keys', undefined],
    ['POST', '/v1/keys', { name: 'x' }],
  ] as const) {
    const answer = await plane.call<Problem>(method, path, body, { token: tenant.token });
    expect([path, answer.status, answer.body.code, answer.body.retryable]).toEqual([path, 503, 'database_unavailable', true]);
    expect(answer.headers.get('retry-after')).not.toBeNull();
  }
  expect(performance.now() - startMs).toBeLessThan(10_000);
  expect((await fetch(`${plane.url}/readyz`)).status).toBe(503);
  expect((await fetch(`${plane.url}/livez`)).status).toBe(200);
});

test('the issuer answers 503 too: no client hears that its secret is wrong when nobody could judge it', async () => {
  const form = { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', token: 'a.b.c' }) };
  const basic = `Basic ${Buffer.from(`client_000000000000:fgc_${tenant.realm}_x`).toString('base64')}`;
  for (const path of ['token', 'introspect', 'revoke']) {
    for (const authorization of [basic, `Bearer ${tenant.token}`]) {
      if (path === 'token' && authorization !== basic) continue;
      const answer = await fetch(`${plane.url}/realms/${tenant.realm}/oauth2/${path}`, { ...form, headers: { authorization } });
      expect([path, answer.status, answer.headers.get('retry-after')]).toEqual([path, 503, '2']);
      expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' });
    }
  }
  expect((await fetch(`${plane.url}/realms/${tenant.realm}/oauth2/jwks`)).status).toBe(503);
});
