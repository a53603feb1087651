import { decodeFrame } from '@fluxgate/protocol/sync';
import { describe, expect, test } from '@jest/globals';
import { grant, key, route, TestRealm } from './fixtures.ts';
import { beginSession, onFrame, onWelcome, type Position, type SessionState, type Step } from './session.ts';

function take(state: SessionState, realm: TestRealm, bytes: Uint8Array): Step {
  const result = decodeFrame(bytes, realm.verifier);
  if (!result.ok) throw new Error(result.why);
  return onFrame(state, { frame: result.frame, bytes });
}

const at = (realm: TestRealm, revision: number): Position => ({ epoch: realm.epoch, revision, chain: realm.chains[revision]! });
const following = (realm: TestRealm, held: Position | null, formerEpochs: string[] = []) =>
  onWelcome(beginSession('live', held, formerEpochs, 0), realm.welcome(held === null ? 'snapshot' : 'delta'), true).state;
const kinds = (step: Step) => step.effects.map((effect) => effect.t);
const whyOf = (step: Step) => step.effects.map((effect) => (effect.t === 'close' ? effect.why : ''))[0];

const realm = new TestRealm().write(grant(), key(1)).write(route('a')).write(key(2)).write(key(1, 'revoked'));

describe('session', () => {
  test('a batch that continues what is held is applied, and only what is new of it', () => {
    const step = take(following(realm, at(realm, 2)), realm, realm.batch(1));
    expect(kinds(step)).toEqual(['apply-batch', 'contact']);
    const [effect] = step.effects;
    if (effect?.t !== 'apply-batch') throw new Error('not applied');
    expect(effect.revisions.map((r) => r.revision)).toEqual([3, 4]);
    expect(step.state.held?.revision).toBe(4);
    expect(kinds(take(step.state, realm, realm.batch(0)))).toEqual([]);
  });

  test('a gap closes the socket and changes nothing', () => {
    const state = following(realm, at(realm, 1));
    const step = take(state, realm, realm.batch(2));
    expect(kinds(step)).toEqual(['close']);
    expect(step.state.held).toEqual(state.held);
  });

  test('a batch of another history is refused, and a snapshot is asked for next', () => {
    const other = new TestRealm().write(grant()).write(key(9));
    const step = take(following(realm, at(other, 1)), realm, realm.batch(1));
    expect(step.effects).toMatchObject([{ t: 'close', resync: true }]);
    expect(step.state.held?.revision).toBe(1);
  });

  test('a batch that ends at the held revision by another way shows that the histories differ', () => {
    const other = new TestRealm().write(grant()).write(key(9));
    const step = take(following(realm, at(other, 2)), realm, realm.batch(0, 2));
    expect(step.effects).toMatchObject([{ t: 'close', resync: true }]);
  });

  test('a node without any state may start with the very first revision', () => {
    const step = take(following(realm, null), realm, realm.batch(0));
    expect(kinds(step)).toEqual(['apply-batch', 'contact']);
  });

  test('a snapshot is applied when its last part has come, as a whole', () => {
    let state = following(realm, null);
    const parts = realm.snapshot(60);
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts.slice(0, -1)) {
      const step = take(state, realm, part);
      expect(step.effects).toEqual([]);
      expect(step.state.held).toBeNull();
      state = step.state;
    }
    const last = take(state, realm, parts.at(-1)!);
    expect(kinds(last)).toEqual(['apply-snapshot', 'contact']);
    expect(last.state.held?.revision).toBe(4);
  });

  test('parts out of order, of two snapshots, or with a batch between them are refused', () => {
    const parts = realm.snapshot(60);
    const state = following(realm, null);
    expect(whyOf(take(state, realm, parts[1]!))).toMatch(/part 1 of a snapshot where 0 is due/);
    const begun = take(state, realm, parts[0]!).state;
    expect(kinds(take(begun, realm, parts[2]!))).toEqual(['close']);
    expect(kinds(take(begun, realm, realm.batch(0)))).toEqual(['close']);
    const later = new TestRealm();
    Object.assign(later, { pair: realm.pair, signer: realm.signer });
    later.write(grant(), key(1)).write(route('b')).write(key(5));
    expect(whyOf(take(begun, realm, later.snapshot(60)[1]!))).toBe('parts of different snapshots');
  });

  test('within an epoch the node never goes back', () => {
    const short = realm.snapshot();
    const longer = new TestRealm();
    Object.assign(longer, { pair: realm.pair, signer: realm.signer });
    for (const records of [[grant(), key(1)], [route('a')], [key(2)], [key(1, 'revoked')], [key(3)]]) longer.write(...records);
    const step = take(following(realm, at(longer, 5)), realm, short[0]!);
    expect(whyOf(step)).toMatch(/older than 5/);
    expect(step.state.held?.revision).toBe(5);
  });

  test('a new epoch begins with a snapshot, and the one before is never believed again', () => {
    const held = at(realm, 4);
    const restored = new TestRealm('epoch-2');
    Object.assign(restored, { pair: realm.pair, signer: realm.signer });
    restored.write(grant());
    expect(whyOf(onWelcome(beginSession('live', held, [], 0), restored.welcome('delta'), true))).toMatch(
      /new epoch without a snapshot/,
    );
    const welcomed = onWelcome(beginSession('live', held, [], 0), restored.welcome('snapshot'), true).state;
    const step = take(welcomed, realm, restored.snapshot()[0]!);
    expect(step.state.held).toMatchObject({ epoch: 'epoch-2', revision: 1 });
    expect(step.state.formerEpochs).toEqual(['epoch-1']);
    expect(
      whyOf(onWelcome(beginSession('live', step.state.held, step.state.formerEpochs, 0), realm.welcome('snapshot'), true)),
    ).toMatch(/has left/);
  });

  test('a frame of an epoch that was not welcomed is refused', () => {
    const other = new TestRealm('epoch-2');
    Object.assign(other, { pair: realm.pair, signer: realm.signer });
    expect(whyOf(take(following(realm, at(realm, 4)), realm, other.write(grant()).snapshot()[0]!))).toBe(
      'a frame of another epoch',
    );
  });

  test('nothing is believed before the welcome, from another realm, or from a control plane without the pinned key', () => {
    const fresh = beginSession('live', null, [], 0);
    expect(kinds(take(fresh, realm, realm.batch(0)))).toEqual(['close']);
    expect(whyOf(onWelcome(fresh, { ...realm.welcome('snapshot'), realm: 'other' }, true))).toMatch(/realm other/);
    expect(whyOf(onWelcome(fresh, realm.welcome('snapshot'), false))).toMatch(/signing key/);
    expect(whyOf(onWelcome(fresh, { ...realm.welcome('snapshot'), protocol: 2 }, true))).toMatch(/protocol 2/);
  });

  test('a heartbeat counts as contact unless it is older than one before', () => {
    const first = take(following(realm, at(realm, 4)), realm, realm.heartbeat(2000));
    expect(kinds(first)).toEqual(['contact']);
    expect(kinds(take(first.state, realm, realm.heartbeat(1999)))).toEqual([]);
  });

  test('a heartbeat that names another history at the held revision asks for a snapshot', () => {
    const step = take(following(realm, { ...at(realm, 4), chain: Buffer.alloc(32, 9) }), realm, realm.heartbeat(1));
    expect(step.effects).toMatchObject([{ t: 'close', resync: true }]);
  });
});
