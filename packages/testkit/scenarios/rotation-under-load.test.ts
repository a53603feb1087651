import { afterEach, expect, test } from '@jest/globals';
import { sleep, startHouse, startLoad, startUpstream, until } from '../src/index.ts';
import { strongest } from './engines.ts';
import { sampleConfig } from './sample-config.ts';

let cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  cleanup = [];
}, 60_000);

test('a rotation under load refuses no valid request on any node, from rotate through the grace to its end', async () => {
  const database = await strongest.open();
  const upstream = await startUpstream();
  const house = await startHouse({
    nodes: 2,
    ...(database.databaseUrl === undefined ? {} : { databaseUrl: database.databaseUrl }),
  });
  cleanup = [database.drop, upstream.close, house.stop];
  await house.admin.apply(sampleConfig(upstream.url));
  const issued = await house.admin.generate({
    name: 'analytics-service',
    scopes: ['read:metrics'],
    quota: { limit: 50_000, window: 'day', zone: 'UTC' },
  });

  let current = issued.secret ?? '';
  const load = startLoad(
    house.nodes.map((node) => node.url),
    '/api/v2/metrics',
    100,
    () => current,
  );
  await sleep(1500);
  for (let round = 0; round < 3; round += 1) {
    const rotated = await house.admin.rotate('analytics-service', { graceMs: 60_000 });
    const old = current;
    // Old clients go on for a while, new ones begin at once: both must pass.
    await sleep(500);
    current = rotated.secret ?? '';
    await sleep(500);
    await house.admin.finish(rotated.rotation.id);
    for (const node of house.nodes) {
      const answer = await fetch(`${node.url}/api/v2/metrics`, { headers: { 'x-fluxgate-api-key': old } });
      await answer.arrayBuffer();
      expect(answer.status).toBe(401);
    }
  }
  await sleep(500);
  const report = await load.stop();
  expect(report.odd).toEqual([]);
  expect(report.byStatus.get(200)).toBe(report.sent);
  expect(report.sent).toBeGreaterThan(300);
  // Old and new versions count on one quota.
  const usage = await until(
    'the usage is reported',
    async () => {
      const answer = await house.admin.usage('analytics-service');
      return answer.versions.reduce((sum, version) => sum + version.allowed, 0) >= report.sent ? answer : null;
    },
    { deadlineMs: 10_000, everyMs: 200 },
  );
  expect(usage.versions.reduce((sum, version) => sum + version.allowed, 0)).toBe(report.sent);
  expect(usage.quota?.allotted).toBeGreaterThanOrEqual(report.sent);
  expect(usage.quota?.allotted).toBeLessThanOrEqual(50_000);
}, 120_000);
