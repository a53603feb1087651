import { type Grant, type KeyRecord, PLAIN_ROUTE, type RouteSpec } from '@fluxgate/policy';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stateCodec } from './codec.ts';
import { ZERO_HASH } from './digest.ts';
import { batchRuns, decodeFrame, encodeBatch, encodeSnapshot } from './frames.ts';
import { encodeKeyPayload } from './key-payload.ts';
import { deleteRecord, ENTITY, jsonPayload, putRecord, type StateRecord } from './records.ts';
import { createSigner, createVerifier, generateSigningKey } from './signing.ts';
import { buildState, judgeRecord, MapShelf, RealmState } from './state.ts';

const pair = generateSigningKey();
const signer = createSigner(1, pair.seed);
const verifier = createVerifier([{ id: 1, publicKey: pair.publicKey }]);

const grant: Grant = { scopes: ['read:orders'], routes: null, cidrs: null, quota: null, requestBudget: null, owner: null };
const route = (name: string, prefix: string): RouteSpec => ({
  name,
  prefix,
  host: null,
  methods: null,
  upstream: { name: 'orders' },
  auth: 'required',
  middleware: [{ kind: 'any_of', of: [{ kind: 'api_key', scopes: [], queryParameter: null }] }],
  labels: {},
  owner: null,
  ...PLAIN_ROUTE,
});
const key = (over: Partial<KeyRecord> = {}): Omit<KeyRecord, 'kid'> => ({
  digest: Buffer.alloc(16, 7),
  pepperVersion: 1,
  state: 'active',
  notAfterS: 0xffff_ffff,
  grant: 1,
  credential: 9,
  name: 'svc',
  ...over,
});

const kid = (n: number) => `kid0000000${String(n).padStart(2, '0')}`;
const change: fc.Arbitrary<StateRecord> = fc.oneof(
  fc
    .tuple(fc.nat({ max: 20 }), fc.nat({ max: 3 }), fc.nat({ max: 1000 }))
    .map(([n, state, credential]) =>
      putRecord(
        ENTITY.key,
        kid(n),
        encodeKeyPayload(key({ state: (['active', 'retiring', 'revoked', 'suspended'] as const)[state]!, credential })),
      ),
    ),
  fc.nat({ max: 20 }).map((n) => deleteRecord(ENTITY.key, kid(n))),
  fc.nat({ max: 5 }).map((n) => putRecord(ENTITY.grant, String(n), jsonPayload({ ...grant, scopes: [`s${n}`] }))),
  fc.nat({ max: 5 }).map((n) => deleteRecord(ENTITY.grant, String(n))),
  fc
    .tuple(fc.nat({ max: 5 }), fc.nat({ max: 3 }))
    .map(([n, p]) => putRecord(ENTITY.route, `r${n}`, jsonPayload(route(`r${n}`, `/p${p}`)))),
  fc.nat({ max: 5 }).map((n) => deleteRecord(ENTITY.route, `r${n}`)),
  // What a node cannot read: it is held, and must be held the same way on both paths once it is overwritten or deleted.
  fc.nat({ max: 5 }).map((n) => putRecord(ENTITY.route, `r${n}`, jsonPayload({ ...route(`r${n}`, '/x'), future: true }))),
);

/** What the control plane holds: the last payload of each entity, readable or not. */
function entitiesAfter(revisions: readonly (readonly StateRecord[])[]): StateRecord[] {
  const all = new Map<string, StateRecord>();
  for (const record of revisions.flat()) {
    if (record.op === 'put') all.set(`${record.kind}/${record.id}`, record);
    else all.delete(`${record.kind}/${record.id}`);
  }
  return [...all.values()].sort((a, b) => a.kind - b.kind || (a.id < b.id ? -1 : 1));
}

const shelfText = (shelf: MapShelf) => JSON.stringify([[...shelf.keys].sort(), [...shelf.grants].sort()]);

describe('state', () => {
  test('snapshot(r) and the deltas r..s make snapshot(s), in content and digest, through signed frames', () => {
    const readable = change.filter((r) => judgeRecord(r) === null);
    fc.assert(
      fc.property(fc.array(fc.array(readable, { maxLength: 6 }), { minLength: 1, maxLength: 12 }), fc.nat(), (revisions, cut) => {
        const r = cut % (revisions.length + 1);
        const chains = [ZERO_HASH];
        for (const [i, records] of revisions.entries())
          chains.push(stateCodec.chain(chains[i]!, i + 1, stateCodec.encode(records)));

        const shelf = new MapShelf();
        const state = new RealmState(shelf);
        const parts = encodeSnapshot(
          signer,
          {
            epoch: 'e1',
            id: Buffer.alloc(16),
            revision: r,
            chain: chains[r]!,
            digest: ZERO_HASH,
            records: entitiesAfter(revisions.slice(0, r)),
          },
          300,
        );
        for (const part of parts) {
          const result = decodeFrame(part, verifier);
          if (!result.ok || result.frame.type !== 'snapshot') throw new Error('refused');
          state.apply(result.frame.records);
        }
        const rest = revisions.slice(r).map((records) => stateCodec.encode(records));
        let at = r;
        for (const [start, end] of batchRuns(rest, 400)) {
          const result = decodeFrame(
            encodeBatch(signer, {
              epoch: 'e1',
              from: at,
              chainFrom: chains[at]!,
              urgent: false,
              revisions: rest.slice(start, end),
            }),
            verifier,
          );
          if (!result.ok || result.frame.type !== 'batch') throw new Error('refused');
          for (const revision of result.frame.revisions) state.apply(revision.records);
          at = result.frame.to;
          expect(Buffer.compare(result.frame.chainTo, chains[at]!)).toBe(0);
        }
        const whole = buildState(entitiesAfter(revisions));
        expect(state.config()).toEqual(whole.config);
        expect(state.digest.equals(whole.digest)).toBe(true);
        expect([...shelf.keys.keys()].sort()).toEqual([...whole.keys.keys()].sort());
        for (const [id, kept] of shelf.keys) expect(kept.value.credential).toBe(whole.keys.get(id)!.credential);
      }),
      { numRuns: 150 },
    );
  });

  test('the digest kept with one step per change is the digest of the content, by the codec the stores use', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (records) => {
        const state = new RealmState(new MapShelf());
        for (const record of records) state.apply([record]);
        const readable = records.filter((r) => judgeRecord(r) === null);
        let expected: Uint8Array = ZERO_HASH;
        for (const r of entitiesAfter([readable])) expected = stateCodec.add(expected, stateCodec.hash(r.kind, r.id, r.payload!));
        expect(state.digest.equals(expected)).toBe(true);
      }),
    );
  });

  test('an entity that cannot be read is held: its old value stays, and nothing else is touched', () => {
    const state = new RealmState(new MapShelf());
    state.apply([
      putRecord(ENTITY.route, 'a', jsonPayload(route('a', '/old'))),
      putRecord(ENTITY.route, 'b', jsonPayload(route('b', '/b'))),
    ]);
    state.apply([
      putRecord(ENTITY.route, 'a', jsonPayload({ ...route('a', '/new'), middleware: [{ kind: 'from_the_future' }] })),
      putRecord(ENTITY.route, 'b', jsonPayload(route('b', '/b2'))),
    ]);
    expect(state.config().routes.map((r) => r.prefix)).toEqual(['/old', '/b2']);
    expect(state.held).toMatchObject([{ kind: 'route', id: 'a' }]);
    state.apply([putRecord(ENTITY.route, 'a', jsonPayload(route('a', '/newer')))]);
    expect(state.held).toEqual([]);
    expect(state.config().routes[0]!.prefix).toBe('/newer');
  });

  test('a new key that cannot be read stays absent, and a revocation beside it is applied', () => {
    const shelf = new MapShelf();
    const state = new RealmState(shelf);
    state.apply([putRecord(ENTITY.key, kid(1), encodeKeyPayload(key()))]);
    state.apply([
      putRecord(ENTITY.key, kid(2), Buffer.from('short')),
      putRecord(ENTITY.key, kid(1), encodeKeyPayload(key({ state: 'revoked' }))),
    ]);
    expect(shelf.keys.has(kid(2))).toBe(false);
    expect(shelf.keys.get(kid(1))!.value.state).toBe('revoked');
    expect(state.held).toMatchObject([{ kind: 'key', id: kid(2) }]);
  });

  test('a kind of a later version is held and named by its number', () => {
    const state = new RealmState(new MapShelf());
    state.apply([putRecord(77, 'x', Buffer.from('{}'))]);
    expect(state.held).toEqual([{ kind: 'kind-77', id: 'x', why: 'this version does not know the kind' }]);
    expect(judgeRecord(putRecord(77, 'x', Buffer.from('{}')))).not.toBeNull();
  });

  test('grants are in place before the keys that name them, whatever the order in the revision', () => {
    const order: string[] = [];
    class Watching extends MapShelf {
      override putKey(record: KeyRecord, payload: Uint8Array): null {
        order.push('key');
        return super.putKey(record, payload);
      }
      override putGrant(number: number, value: Grant, payload: Uint8Array): null {
        order.push('grant');
        return super.putGrant(number, value, payload);
      }
      override deleteGrant(number: number): void {
        order.push('grant gone');
        super.deleteGrant(number);
      }
    }
    const state = new RealmState(new Watching());
    state.apply([putRecord(ENTITY.grant, '1', jsonPayload(grant))]);
    state.apply([
      deleteRecord(ENTITY.grant, '1'),
      putRecord(ENTITY.key, kid(1), encodeKeyPayload(key())),
      putRecord(ENTITY.grant, '2', jsonPayload(grant)),
    ]);
    expect(order).toEqual(['grant', 'grant', 'key', 'grant gone']);
  });

  test('random records never make applying throw', () => {
    const wild = fc.record({
      kind: fc.integer({ min: 0, max: 8 }),
      id: fc.string({ maxLength: 14 }),
      payload: fc.option(fc.uint8Array({ maxLength: 60 }), { nil: null }),
    });
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 20 }), (records) => {
        const shelf = new MapShelf();
        new RealmState(shelf).apply(
          records.map((r) => ({ ...r, op: r.payload === null ? ('delete' as const) : ('put' as const) })),
        );
        expect(shelfText(shelf).length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});
