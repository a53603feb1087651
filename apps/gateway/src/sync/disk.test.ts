import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchFrame, SnapshotFrame } from '@fluxgate/protocol/sync';
import { decodeFrame } from '@fluxgate/protocol/sync';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StateDisk } from './disk.ts';
import { grant, key, route, TestRealm } from './fixtures.ts';
import type { Position, SignedFrame } from './session.ts';

let dir: string;
let realm: TestRealm;
let durable: number[];
let troubles: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fluxgate-disk-'));
  realm = new TestRealm().write(grant(), key(1)).write(route('a'));
  durable = [];
  troubles = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = () =>
  new StateDisk(dir, { onDurable: (position) => durable.push(position.revision), onTrouble: (why) => troubles.push(why) });

function signed<F extends BatchFrame | SnapshotFrame>(bytes: Buffer): SignedFrame<F> {
  const result = decodeFrame(bytes, realm.verifier);
  if (!result.ok) throw new Error(result.why);
  return { frame: result.frame as F, bytes };
}
const at = (revision: number): Position => ({ epoch: realm.epoch, revision, chain: realm.chains[revision]! });
const keep = (disk: StateDisk) =>
  disk.writeSnapshot(
    realm.snapshot().map((part) => signed<SnapshotFrame>(part)),
    at(realm.revision),
  );
function append(disk: StateDisk, urgent = false): void {
  disk.append(signed<BatchFrame>(realm.batch(realm.revision - 1, realm.revision, urgent)), at(realm.revision));
}
const recovered = () => open().recover(realm.verifier);

describe('state on disk', () => {
  test('an empty directory holds no state', () => {
    expect(recovered()).toBeNull();
  });

  test('what was kept is what comes back: snapshot, then batches', () => {
    const disk = open();
    keep(disk);
    realm.write(key(2));
    append(disk);
    realm.write(key(1, 'revoked'));
    append(disk);
    disk.close();
    const back = recovered();
    expect(back?.position).toEqual({ ...at(4), chain: new Uint8Array(realm.chain) });
    expect(back?.snapshot.flatMap((part) => part.records)).toHaveLength(3);
    expect(back?.batches.flat().map((r) => r.revision)).toEqual([3, 4]);
    expect(back?.notes).toEqual([]);
  });

  test('a state that began with the first revision needs no snapshot', () => {
    const disk = open();
    disk.append(signed<BatchFrame>(realm.batch(0)), at(2));
    disk.close();
    expect(recovered()?.position.revision).toBe(2);
  });

  test('an urgent batch is durable at once, another one after sync', () => {
    const disk = open();
    keep(disk);
    realm.write(key(2));
    append(disk);
    expect(durable).toEqual([2]);
    realm.write(key(2, 'revoked'));
    append(disk, true);
    expect(durable).toEqual([2, 4]);
    realm.write(key(3));
    append(disk);
    disk.sync();
    expect(durable).toEqual([2, 4, 5]);
  });

  test('a crash at any byte of the log recovers a state up to some batch before it, and what follows is kept again', () => {
    const disk = open();
    keep(disk);
    for (let n = 0; n < 4; n++) {
      realm.write(key(10 + n));
      append(disk);
    }
    disk.close();
    const whole = readFileSync(join(dir, 'wal-2.fgl'));
    fc.assert(
      fc.property(fc.nat({ max: whole.length }), (cut) => {
        writeFileSync(join(dir, 'wal-2.fgl'), whole.subarray(0, cut));
        const again = open();
        const revision = again.recover(realm.verifier)?.position.revision ?? -1;
        expect(revision).toBe(2 + Math.floor((4 * cut) / whole.length));
        again.append(signed<BatchFrame>(realm.batch(revision < 6 ? revision : 5)), at(6));
        again.close();
        expect(recovered()?.position.revision).toBe(6);
      }),
      { numRuns: 60 },
    );
  });

  test('any flipped bit ends the state before the frame it is in, or falls back to the older generation', () => {
    const disk = open();
    keep(disk);
    realm.write(key(2));
    append(disk);
    keep(disk);
    realm.write(key(3));
    append(disk);
    disk.close();
    expect(readdirSync(dir).sort()).toEqual(['snapshot-2.fgs', 'snapshot-3.fgs', 'wal-2.fgl', 'wal-3.fgl']);
    for (const name of ['snapshot-3.fgs', 'wal-3.fgl']) {
      const whole = readFileSync(join(dir, name));
      for (let bit = 0; bit < whole.length * 8; bit += 97) {
        const damaged = Buffer.from(whole);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        writeFileSync(join(dir, name), damaged);
        const back = recovered();
        expect(back?.position.revision).toBe(3);
        expect(back?.notes.length).toBe(1);
        writeFileSync(join(dir, name), whole);
      }
    }
  });

  test('frames signed by somebody else, and batches of another history, are not state', () => {
    const disk = open();
    keep(disk);
    disk.close();
    const forger = new TestRealm().write(grant(), key(1)).write(route('a')).write(key(66));
    appendFileSync(join(dir, 'wal-2.fgl'), forger.batch(2));
    expect(recovered()?.position.revision).toBe(2);
    const other = new TestRealm();
    Object.assign(other, { pair: realm.pair, signer: realm.signer });
    other.write(grant()).write(route('b')).write(key(66));
    appendFileSync(join(dir, 'wal-2.fgl'), other.batch(2));
    expect(recovered()?.position.revision).toBe(2);
  });

  test('two generations are kept, and a new epoch that begins at a lower revision is still the newest', () => {
    const disk = open();
    for (let n = 0; n < 4; n++) {
      realm.write(key(20 + n));
      keep(disk);
    }
    expect(readdirSync(dir).filter((name) => name.startsWith('snapshot'))).toHaveLength(2);
    const pair = { pair: realm.pair, signer: realm.signer, verifier: realm.verifier };
    realm = new TestRealm('epoch-2');
    Object.assign(realm, pair);
    realm.write(grant());
    keep(disk);
    disk.close();
    expect(recovered()?.position).toMatchObject({ epoch: 'epoch-2', revision: 1 });
  });

  test('a snapshot that ends too early is not used', () => {
    const disk = open();
    keep(disk);
    realm.write(key(2));
    keep(disk);
    disk.close();
    truncateSync(join(dir, 'snapshot-3.fgs'), 100);
    expect(recovered()?.position.revision).toBe(2);
  });

  test('a disk that refuses stops `durable`, not the node, and is tried again', () => {
    const disk = open();
    keep(disk);
    rmSync(dir, { recursive: true, force: true });
    realm.write(key(2));
    keep(disk);
    realm.write(key(3));
    append(disk, true);
    expect(durable).toEqual([2]);
    expect(troubles).toHaveLength(1);
    mkdirSync(dir);
    disk.sync();
    disk.close();
    expect(durable).toEqual([2, 3, 4]);
    expect(recovered()?.position.revision).toBe(4);
  });
});
