import type { PepperRotation, SecretsStatus } from '@fluxgate/protocol/admin';
import { afterEach, expect, test } from '@jest/globals';
import { sleep, startHouse, startLoad, startUpstream, until } from '../src/index.ts';
import { strongest } from './engines.ts';
import { sampleConfig } from './sample-config.ts';

let cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  cleanup = [];
}, 60_000);

test('rotations of the pepper under load refuse no key on any node, neither an old one nor one that is made in the middle', async () => {
  const database = await strongest.open();
  const upstream = await startUpstream();
  const house = await startHouse({
    nodes: 2,
    ...(database.databaseUrl === undefined ? {} : { databaseUrl: database.databaseUrl }),
  });
  cleanup = [database.drop, upstream.close, house.stop];
  await house.admin.apply(sampleConfig(upstream.url));
  const make = async (name: string): Promise<string> =>
    (await house.admin.generate({ name, scopes: ['read:metrics'] })).secret ?? '';
  const keys = [await make('first')];

  let turn = 0;
  const load = startLoad(
    house.nodes.map((node) => node.url),
    '/api/v2/metrics',
    100,
    () => keys[turn++ % keys.length] ?? '',
  );
  await sleep(1000);
  for (let round = 2; round <= 4; round += 1) {
    // Keys are made all the while; a key counts from the moment its owner has it.
    let isRotating = true;
    const making = (async () => {
      for (let n = 0; isRotating; n += 1) keys.push(await make(`during-${round}-${n}`));
    })();
    const rotated = await house.admin.call<PepperRotation>('POST', '/v1/secrets/rotate-pepper?wait=converged&timeout=10s', {});
    isRotating = false;
    await making;
    expect(rotated.body).toMatchObject({
      from: round - 1,
      to: round,
      state: 'done',
      spread: { nodes: 2, reached: 2, pending: [] },
    });
    keys.push(await make(`after-${round}`));
    await sleep(300);
  }
  const status = (await house.admin.call<SecretsStatus>('GET', '/v1/secrets/status')).body;
  expect(status).toMatchObject({
    store: 'local',
    ok: true,
    pepper: { current: 4, pending: null, spread: { nodes: 2, reached: 2 } },
  });
  expect(status.pepper?.versions.map(({ version }) => version)).toEqual([1, 2, 3, 4]);

  // A node that was away when the pepper came: it holds state and ring of before, and gets secrets before state.
  await house.nodes[1]?.process.kill();
  await until(
    'the node counts as gone',
    async () => (await house.admin.call<SecretsStatus>('GET', '/v1/secrets/status')).body.pepper?.spread.nodes === 1,
    { deadlineMs: 15_000, everyMs: 200 },
  );
  const beforeRestart = await load.stop();
  expect(beforeRestart.odd.filter(({ status: of }) => of !== 0)).toEqual([]);
  const away = await house.admin.call<PepperRotation>('POST', '/v1/secrets/rotate-pepper?wait=converged&timeout=10s', {});
  expect(away.body).toMatchObject({ to: 5, state: 'done', spread: { nodes: 1 } });
  const late = await make('made-while-away');
  const node = await house.restartNode(1);
  const answer = await until(
    'the node knows the new key',
    async () => {
      const got = await fetch(`${node.url}/api/v2/metrics`, { headers: { 'x-fluxgate-api-key': late } });
      await got.arrayBuffer();
      return got.status === 200 ? got.status : null;
    },
    { deadlineMs: 10_000 },
  );
  expect(answer).toBe(200);
  for (const key of keys) {
    const got = await fetch(`${node.url}/api/v2/metrics`, { headers: { 'x-fluxgate-api-key': key } });
    await got.arrayBuffer();
    expect(got.status).toBe(200);
  }
}, 180_000);
