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
