import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { SecretStore } from '../ports/secret-store.ts';
import {
  beginPepperRotation,
  ensurePepperRing,
  finishPepperRotation,
  PepperRingLost,
  pendingPepper,
  readPepperRing,
} from '../secrets/pepper-ring.ts';
import { Secret } from '../secrets/secret.ts';

export interface SecretFixture {
  /** The store of one realm; realms share a backend. */
  store(realm: string): SecretStore;
  close(): Promise<void>;
}

/** What every secret store promises. */
export function secretStoreSuite(name: string, open: () => Promise<SecretFixture>): void {
  describe(`a secret store: ${name}`, () => {
    let fixture: SecretFixture;
    beforeAll(async () => {
      fixture = await open();
    }, 60_000);
    afterAll(() => fixture.close());

    test('what was set is read back, byte for byte, and each set is a new version', async () => {
      const store = fixture.store('one');
      const bytes = Uint8Array.from({ length: 300 }, (_, i) => i % 256);
      expect(await store.get('secret/data/a', 'f')).toBeNull();
      expect(await store.set('secret/data/a', 'f', Secret.fromBytes(bytes), 'anna')).toMatchObject({
        version: 1,
        updatedBy: 'anna',
      });
      expect((await store.get('secret/data/a', 'f'))?.revealBytes()).toEqual(bytes);
      expect(await store.set('secret/data/a', 'f', Secret.fromText('two'), 'ben')).toMatchObject({
        version: 2,
        updatedBy: 'ben',
      });
      expect((await store.get('secret/data/a', 'f'))?.reveal()).toBe('two');
    });

    test('a listing is sorted, tells versions and authors, and never a value', async () => {
      const store = fixture.store('list');
      await store.set('secret/data/b', 'y', Secret.fromText('hidden-1'), 'anna');
      await store.set('secret/data/a', 'z', Secret.fromText('hidden-2'), 'anna');
      await store.set('secret/data/b', 'x', Secret.fromText('hidden-3'), 'anna');
      const all = await store.list();
      expect(all.map(({ path, field }) => `${path}#${field}`)).toEqual(['secret/data/a#z', 'secret/data/b#x', 'secret/data/b#y']);
      expect(JSON.stringify(all)).not.toContain('hidden');
      expect(await store.list('secret/data/b')).toHaveLength(2);
    });

    test('a document is all fields of its path; a removed field is gone and can be made anew', async () => {
      const store = fixture.store('document');
      expect((await store.document('secret/data/d')).size).toBe(0);
      await store.set('secret/data/d', 'a', Secret.fromText('1'), 'x');
      await store.set('secret/data/d', 'b', Secret.fromText('2'), 'x');
      await store.set('secret/data/d-longer', 'c', Secret.fromText('3'), 'x');
      const fields = await store.document('secret/data/d');
      expect([...fields].map(([field, value]) => [field, value.reveal()]).sort()).toEqual([
        ['a', '1'],
        ['b', '2'],
      ]);
      expect(await store.remove('secret/data/d', 'a')).toBe(true);
      expect(await store.remove('secret/data/d', 'a')).toBe(false);
      expect([...(await store.document('secret/data/d')).keys()]).toEqual(['b']);
      expect(await store.remove('secret/data/d', 'b')).toBe(true);
      expect((await store.list('secret/data/d')).map(({ path }) => path)).toEqual(['secret/data/d-longer']);
      expect(await store.setIfAbsent('secret/data/d', 'a', Secret.fromText('4'), 'x')).toBe(true);
      expect((await store.get('secret/data/d', 'a'))?.reveal()).toBe('4');
    });

    test('of many first writers one wins, and its value stays', async () => {
      const store = fixture.store('race');
      const won = await Promise.all(
        Array.from({ length: 8 }, (_, i) => store.setIfAbsent('secret/data/r', 'f', Secret.fromText(`v${i}`), `w${i}`)),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await store.get('secret/data/r', 'f'))?.reveal()).toBe(`v${won.indexOf(true)}`);
    });

    test('concurrent sets all become versions of their own', async () => {
      const store = fixture.store('sets');
      await Promise.all(Array.from({ length: 6 }, (_, i) => store.set('secret/data/s', 'f', Secret.fromText(`v${i}`), 'x')));
      expect((await store.list())[0]).toMatchObject({ version: 6 });
    });

    test('realms do not see each other', async () => {
      await fixture.store('mine').set('secret/data/a', 'f', Secret.fromText('mine'), 'x');
      expect(await fixture.store('yours').get('secret/data/a', 'f')).toBeNull();
      expect(await fixture.store('yours').list()).toEqual([]);
    });

    test('the pepper ring is made once, is the same for all who start at once, and is never overwritten', async () => {
      const store = fixture.store('peppers');
      expect(await readPepperRing(store, 'secret/data/api-keys')).toBeNull();
      const rings = await Promise.all(
        Array.from({ length: 5 }, () => ensurePepperRing(store, 'secret/data/api-keys', { by: 'cp' })),
      );
      expect(new Set(rings.map(({ generation }) => generation)).size).toBe(1);
      expect(rings[0]?.current).toBe(1);
      expect(rings[0]?.peppers.get(1)).toHaveLength(32);
      expect((await ensurePepperRing(store, 'secret/data/api-keys', { by: 'cp' })).generation).toBe(rings[0]?.generation);
    });

    test('a ring cut off before its pointer was written is completed with the newest pepper, not replaced', async () => {
      const store = fixture.store('cutoff');
      const pepper = Buffer.alloc(32, 7).toString('base64');
      await store.set('secret/data/api-keys', 'pepper.1', Secret.fromText(Buffer.alloc(32, 6).toString('base64')), 'x');
      await store.set('secret/data/api-keys', 'pepper.2', Secret.fromText(pepper), 'x');
      const ring = await ensurePepperRing(store, 'secret/data/api-keys', { by: 'cp' });
      expect([ring.current, ring.peppers.size, Buffer.from(ring.peppers.get(2) ?? []).toString('base64')]).toEqual([
        2,
        2,
        pepper,
      ]);
    });

    test('a ring that keys were made with and that is gone is never replaced by a new one', async () => {
      const store = fixture.store('lost');
      const making = { by: 'cp', isNeeded: async () => true };
      await expect(ensurePepperRing(store, 'secret/data/p', making)).rejects.toThrow(PepperRingLost);
      expect(await readPepperRing(store, 'secret/data/p')).toBeNull();
    });

    test('a rotation adds one version, whoever begins it how often, and changes the current one only when it is finished', async () => {
      const store = fixture.store('rotation');
      const path = 'secret/data/api-keys';
      const first = await ensurePepperRing(store, path, { by: 'cp' });
      const begun = await Promise.all(Array.from({ length: 4 }, () => beginPepperRotation(store, path, { by: 'cp' })));
      for (const ring of begun) expect([ring.current, ring.peppers.size, pendingPepper(ring)]).toEqual([1, 2, 2]);
      expect(new Set(begun.map(({ generation }) => generation)).size).toBe(1);
      expect(begun[0]?.generation).not.toBe(first.generation);
      const done = await finishPepperRotation(store, path, 2, 'cp');
      expect([done.current, pendingPepper(done), done.peppers.get(1)]).toEqual([2, null, first.peppers.get(1)]);
      expect((await finishPepperRotation(store, path, 2, 'cp')).generation).toBe(done.generation);
      await expect(finishPepperRotation(store, path, 7, 'cp')).rejects.toThrow(/no pepper 7/);
    });

    test('a ring whose pointer or pepper is damaged is a fault that says so, never a new ring', async () => {
      const store = fixture.store('damaged');
      await ensurePepperRing(store, 'secret/data/p', { by: 'cp' });
      await store.set('secret/data/p', 'current', Secret.fromText('9'), 'x');
      await expect(ensurePepperRing(store, 'secret/data/p', { by: 'cp' })).rejects.toThrow(/is not there/);
      await store.set('secret/data/p', 'current', Secret.fromText('1'), 'x');
      await store.set('secret/data/p', 'pepper.1', Secret.fromText('short'), 'x');
      await expect(ensurePepperRing(store, 'secret/data/p', { by: 'cp' })).rejects.toThrow(/32 bytes/);
    });
  });
}
