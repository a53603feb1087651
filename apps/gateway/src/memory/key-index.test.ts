import { Worker } from 'node:worker_threads';
import type { KeyRecord } from '@fluxgate/policy';
import { encodeKeyPayload, KEY_STATES } from '@fluxgate/protocol/sync';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { VERSION, WRITING } from './key-index-layout.ts';
import { attachKeyIndex } from './key-index-reader.ts';
import { KeyIndex } from './key-index-writer.ts';
import { KidWords, unpackKid } from './kid.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const kidOf = (n: number) => {
  let text = '';
  let rest = Math.imul(n, 0x9e3779b1) >>> 0;
  for (let i = 0; i < 6; i++) {
    text += DIGITS[rest % 62];
    rest = Math.floor(rest / 62);
  }
  return text + String(n).padStart(6, '0');
};
const SMALL = { keysMax: 100_000, heapBytesMax: 8 * 1024 * 1024 };

const recordOf = (kid: string, n: number): KeyRecord => ({
  kid,
  digest: Buffer.alloc(16, n % 251),
  pepperVersion: n % 256,
  state: KEY_STATES[n % 4]!,
  notAfterS: n,
  grant: n,
  credential: n,
  name: `${kid}/${n % 3}`,
});

describe('key index', () => {
  test('a kid is kept exactly, to its last bit', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...DIGITS), { minLength: 12, maxLength: 12 }), (chars) => {
        const words = new KidWords();
        expect(words.pack(chars.join(''))).toBe(true);
        expect(unpackKid(words.low, words.high, words.top)).toBe(chars.join(''));
      }),
    );
    for (const bad of ['', 'a'.repeat(11), 'a'.repeat(13), `${'a'.repeat(11)}-`, `é${'a'.repeat(11)}`])
      expect(new KidWords().pack(bad)).toBe(false);
  });

  test('a name is that of its key, however many names a reader has seen before', () => {
    const index = new KeyIndex(SMALL);
    const reader = attachKeyIndex(index.handles());
    for (let n = 0; n < 20_000; n++) index.putKey({ ...recordOf(kidOf(n), n), name: `name-${n}` });
    const wrong = (suffix: string): number => {
      let count = 0;
      for (let n = 0; n < 20_000; n++) if (reader.find(kidOf(n))?.name() !== `name-${n}${suffix}`) count++;
      return count;
    };
    expect(wrong('')).toBe(0);
    expect(wrong('')).toBe(0);
    for (let n = 0; n < 20_000; n++) index.putKey({ ...recordOf(kidOf(n), n), name: `name-${n}-new` });
    expect(wrong('-new')).toBe(0);
  });

  test('after any run of puts, deletes and growth a reader finds what a Map would hold', () => {
    const step = fc.tuple(fc.nat({ max: 600 }), fc.nat({ max: 100_000 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1500, size: 'max' }), (steps) => {
        const index = new KeyIndex(SMALL);
        const reader = attachKeyIndex(index.handles());
        const model = new Map<string, KeyRecord>();
        for (const [n, value, remove] of steps) {
          const kid = kidOf(n);
          if (remove) {
            index.deleteKey(kid);
            model.delete(kid);
          } else {
            expect(index.putKey(recordOf(kid, value))).toBeNull();
            model.set(kid, recordOf(kid, value));
          }
        }
        expect(index.size).toBe(model.size);
        expect(reader.size).toBe(model.size);
        expect([...index.kids()].sort()).toEqual([...model.keys()].sort());
        for (let n = 0; n <= 600; n++) {
          const kid = kidOf(n);
          const expected = model.get(kid);
          const view = reader.find(kid);
          if (expected === undefined) {
            expect(view).toBeNull();
            expect(index.keyPayload(kid)).toBeNull();
          } else {
            if (view === null) throw new Error(`lost ${kid}`);
            expect({
              state: KEY_STATES[view.state],
              notAfterS: view.notAfterS,
              grant: view.grant,
              pepperVersion: view.pepperVersion,
            }).toEqual({
              state: expected.state,
              notAfterS: expected.notAfterS,
              grant: expected.grant,
              pepperVersion: expected.pepperVersion,
            });
            expect(view.name()).toBe(expected.name);
            expect(index.keyPayload(kid)).toEqual(encodeKeyPayload(expected));
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('many keys put and deleted at random leave no trace of the deleted ones', () => {
    const index = new KeyIndex(SMALL);
    const reader = attachKeyIndex(index.handles());
    for (let n = 0; n < 40_000; n++) index.putKey(recordOf(kidOf(n), n));
    for (let n = 0; n < 40_000; n += 2) index.deleteKey(kidOf(n));
    for (let n = 0; n < 40_000; n++) expect(reader.find(kidOf(n)) !== null).toBe(n % 2 === 1);
    for (let n = 0; n < 40_000; n += 2) index.putKey(recordOf(kidOf(n), n));
    for (let n = 0; n < 40_000; n++) expect(reader.find(kidOf(n))!.grant).toBe(n);
  });

  test('a full index refuses a new key, and goes on serving and changing those it has', () => {
    const index = new KeyIndex({ ...SMALL, keysMax: 3 });
    const reader = attachKeyIndex(index.handles());
    for (let n = 0; n < 3; n++) expect(index.putKey(recordOf(kidOf(n), n))).toBeNull();
    expect(index.putKey(recordOf(kidOf(9), 9))).toMatch(/no room/);
    expect(reader.find(kidOf(9))).toBeNull();
    expect(index.putKey({ ...recordOf(kidOf(1), 1), state: 'revoked' })).toBeNull();
    expect(KEY_STATES[reader.find(kidOf(1))!.state]).toBe('revoked');
  });

  test('no kid, however odd, makes a lookup throw', () => {
    const index = new KeyIndex(SMALL);
    index.putKey(recordOf(kidOf(1), 1));
    const reader = attachKeyIndex(index.handles());
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (kid) => reader.find(kid) === null));
  });

  test('versions of one credential share the bytes of their name', () => {
    const index = new KeyIndex(SMALL);
    index.putKey({ ...recordOf(kidOf(1), 5), name: 'x'.repeat(200) });
    const before = index.bytes;
    index.putKey({ ...recordOf(kidOf(2), 5), name: 'x'.repeat(200) });
    expect(index.bytes - before).toBeLessThan(100);
  });

  test('a grant is given back as it was put, and an unknown number is null', () => {
    const index = new KeyIndex(SMALL);
    const reader = attachKeyIndex(index.handles());
    const grant = { scopes: ['läsa'], routes: null, cidrs: null, quota: null, requestBudget: null, owner: null };
    const payload = Buffer.from(JSON.stringify(grant));
    expect(index.putGrant(70_000, grant, payload)).toBeNull();
    expect(reader.grant(70_000)).toBe(payload.toString('utf8'));
    expect(index.grantPayload(70_000)).toEqual(new Uint8Array(payload));
    for (const unknown of [0, 1, 69_999, 2 ** 31, 2 ** 32, -1, 1.5]) expect(reader.grant(unknown)).toBeNull();
    index.deleteGrant(70_000);
    expect(reader.grant(70_000)).toBeNull();
    expect(index.putGrant(2 ** 24, grant, payload)).toMatch(/grant numbers end/);
  });

  test('a writer that died in the middle of a change makes lookups of that key fail, not miss, and leaves the others alone', () => {
    const index = new KeyIndex(SMALL);
    index.putKey(recordOf(kidOf(1), 1));
    index.putKey(recordOf(kidOf(2), 2));
    const handles = index.handles();
    const reader = attachKeyIndex(handles);
    new Int32Array(handles.records)[0]! |= WRITING;
    expect(() => reader.find(kidOf(1))).toThrow(/stopped in the middle/);
    expect(reader.find(kidOf(2))?.grant).toBe(2);
    new Int32Array(handles.control)[VERSION]! += 1;
    expect(() => reader.find(kidOf(3))).toThrow(/stopped in the middle/);
  });

  test('a reader in another thread sees each record before or after a change, never between', async () => {
    const index = new KeyIndex(SMALL);
    const kids = Array.from({ length: 64 }, (_, n) => kidOf(n));
    for (const kid of kids) index.putKey(recordOf(kid, 1));
    const stop = new SharedArrayBuffer(4);
    const worker = new Worker(new URL('./test-threads/index-reader.ts', import.meta.url), {
      workerData: { handles: index.handles(), kids, steady: 32, stop },
    });
    const messages: unknown[] = [];
    const done = new Promise<{ found: number; missed: number; mixed: string[] }>((resolve, reject) => {
      worker.once('error', reject);
      worker.on('message', (message) => {
        messages.push(message);
        if (typeof message === 'object') resolve(message as { found: number; missed: number; mixed: string[] });
      });
    });
    while (messages.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const until = Date.now() + 1500;
    let n = 0;
    while (Date.now() < until) {
      n += 1;
      const kid = kids[n % 32]!;
      index.putKey(recordOf(kid, n));
      // The other half and some strangers come and go, so that slots move; in the end many strangers make the table grow under the reader.
      const other = kids[32 + (n % 32)]!;
      if (n % 2 === 0) index.deleteKey(other);
      else index.putKey(recordOf(other, n));
      if (until - Date.now() < 300) index.putKey(recordOf(kidOf(1000 + (n % 60_000)), n));
      else if ((n >> 7) % 2 === 0) index.putKey(recordOf(kidOf(1000 + (n % 128)), n));
      else index.deleteKey(kidOf(1000 + (n % 128)));
    }
    Atomics.store(new Int32Array(stop), 0, 1);
    const result = await done;
    await worker.terminate();
    expect(result.mixed).toEqual([]);
    expect(result.missed).toBe(0);
    expect(result.found).toBeGreaterThan(1000);
  });
});
