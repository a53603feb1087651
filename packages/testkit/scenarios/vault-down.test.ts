import type { SecretsStatus } from '@fluxgate/protocol/admin';
import { startVaultEmulator } from '@fluxgate/stores/test-vault';
import { afterEach, expect, test } from '@jest/globals';
import { sleep, startHouse, startLoad, startUpstream, until } from '../src/index.ts';
import { sampleConfig } from './sample-config.ts';

let cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  cleanup = [];
}, 60_000);

test('a vault that is sealed, slow or gone refuses no request, through restarts of the control plane and of a node', async () => {
  const vault = await startVaultEmulator();
  const upstream = await startUpstream();
  const house = await startHouse({ nodes: 2, controlPlaneEnv: { VAULT_ADDR: vault.address, VAULT_TOKEN: vault.rootToken } });
  cleanup = [vault.close, upstream.close, house.stop];
  await house.admin.apply(sampleConfig(upstream.url));
  const key = (await house.admin.generate({ name: 'first', scopes: ['read:metrics'] })).secret ?? '';
  await house.admin.generate({ name: 'second', scopes: ['read:metrics'] });
  expect([...vault.kv.documents.keys()]).toEqual(['api-keys']);
  const statusOf = async () => (await house.admin.call<SecretsStatus>('GET', '/v1/secrets/status')).body;
  expect(await statusOf()).toMatchObject({ store: 'vault', ok: true, pepper: { current: 1, spread: { nodes: 2, reached: 2 } } });

  const load = startLoad(
    house.nodes.map((node) => node.url),
    '/api/v2/metrics',
    80,
    () => key,
  );
  await sleep(300);
  vault.mood = 'sealed';
  expect(await statusOf()).toMatchObject({ ok: false, why: expect.stringContaining('sealed') });
  const refused = await house.admin.call('POST', '/v1/keys', { name: 'third' });
  expect([refused.status, refused.body['code']]).toEqual([503, 'pepper_missing']);
  // Started anew it has never seen the ring; nodes keep theirs.
  await house.controlPlane.kill();
  await house.restartControlPlane();
  const ready = await fetch(`${house.adminUrl}/readyz`);
  expect(ready.status).toBe(200);
  vault.mood = 'silent';
  const startMs = Date.now();
  const live = async () => (await house.admin.call<{ items: { state: string }[] }>('GET', '/v1/nodes')).body.items;
  await until('both nodes are back', async () => (await live()).every(({ state }) => state === 'converged'), {
    deadlineMs: 15_000,
  });
  await house.admin.revoke('second');
  expect(Date.now() - startMs).toBeLessThan(15_000);
  const report = await load.stop();
  expect(report.odd).toEqual([]);
  expect(report.byStatus.get(200)).toBe(report.sent);

  // A node that restarts meanwhile opens the ring from its own disk.
  await house.nodes[1]?.process.kill();
  const node = await house.restartNode(1);
  const answer = await fetch(`${node.url}/api/v2/metrics`, { headers: { 'x-fluxgate-api-key': key } });
  await answer.arrayBuffer();
  expect(answer.status).toBe(200);

  vault.mood = 'serving';
  await until('the store is back', async () => (await statusOf()).ok);
  await house.admin.generate({ name: 'third', scopes: ['read:metrics'] });
  expect(house.controlPlane.output()).not.toContain(vault.rootToken);
}, 120_000);
