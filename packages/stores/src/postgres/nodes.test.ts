import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTestDatabase, testEngines } from '../suites/engines.ts';
import type { Database } from './database.ts';
import type { NodeProgress } from './nodes.ts';

const T0 = Date.parse('2026-11-21T12:00:00Z');

for (const engine of testEngines(process.env)) {
  describe(`the node table on ${engine.name}`, () => {
    let opened: Awaited<ReturnType<typeof openTestDatabase>>;
    let db: Database;
    beforeAll(async () => {
      opened = await openTestDatabase(engine);
      db = opened.db;
    }, 60_000);
    afterAll(async () => {
      await opened.close();
      await engine.stop();
    });
    const progress = (over: Partial<NodeProgress> = {}): NodeProgress => ({
      realm: 'r',
      name: 'a',
      bootId: 'boot-1',
      version: '1',
      tokenKid: 'kid',
      epoch: null,
      applied: 0,
      durable: 0,
      digest: null,
      quarantined: [],
      secretsGeneration: null,
      hub: 'hub-1',
      connected: true,
      lastSeenAtMs: T0,
      ...over,
    });

    test('an enrolment answers the key the name had before', async () => {
      expect(await db.nodes.enrol({ ...progress(), publicKey: 'one' })).toEqual({ previousKey: null });
      expect(await db.nodes.enrol({ ...progress(), publicKey: 'one' })).toEqual({ previousKey: 'one' });
      expect(await db.nodes.enrol({ ...progress(), publicKey: 'two' })).toEqual({ previousKey: 'one' });
      expect(await db.nodes.list('r')).toMatchObject([{ name: 'a', publicKey: 'two', connectedTo: 'hub-1', firstSeenAtMs: T0 }]);
      expect(await db.nodes.list('other')).toEqual([]);
    });

    test('progress of many nodes is one write; what another process or boot holds by now is left alone', async () => {
      await db.nodes.enrol({ ...progress({ name: 'b' }), publicKey: 'b' });
      const ack = {
        epoch: 'e',
        applied: 7,
        durable: 5,
        digest: 'd',
        quarantined: [{ kind: 'route', id: 'x', why: 'y' }],
        lastSeenAtMs: T0 + 1,
      };
      await db.nodes.progress([progress(ack), progress({ ...ack, name: 'b' }), progress({ ...ack, name: 'unknown' })]);
      expect(await db.nodes.list('r')).toMatchObject([
        { name: 'a', ...ack },
        { name: 'b', ...ack },
      ]);
      // The node moved to another control plane; the first one learns late that its socket is gone.
      await db.nodes.enrol({ ...progress({ hub: 'hub-2' }), publicKey: 'two' });
      await db.nodes.progress([progress({ connected: false }), progress({ name: 'b', connected: false })]);
      expect((await db.nodes.list('r')).map(({ connectedTo }) => connectedTo)).toEqual(['hub-2', null]);
    });
  });
}
