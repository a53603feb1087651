import type { KeyIndexHandles } from './handles.ts';
import {
  CAPACITY,
  CHANGES,
  homeSlot,
  LAYOUT,
  OFFSET,
  PEPPER_MASK,
  RECORD_WORDS,
  SIZE,
  STATE_SHIFT,
  TOP_SHIFT,
  USED,
  VERSION,
  WRITING,
} from './key-index-layout.ts';
import { KidWords } from './kid.ts';
import type { KeyIndexReader, KeyView } from './ports.ts';

/** Slots and records are in motion for nanoseconds; longer only if the writer lost its processor in between, and this long if it died. */
const STALL_MS = 500;
const SPINS = 200;
/** Names that a thread keeps decoded. */
const NAMES = 4096;
const NAMES_SHIFT = 32 - Math.log2(NAMES);
const PAUSE_MS = 0.2;

/** Waits for a writer that is in the middle of a change: first by spinning, then asleep, so that it gets the processor it may wait for. */
class Patience {
  #spins = 0;
  #sinceMs = 0;

  reset(): void {
    this.#spins = 0;
  }

  /** Sleeps while the word still has that value. Throws when the writer is taken for dead. */
  wait(words: Int32Array, at: number, seen: number): void {
    this.#spins += 1;
    if (this.#spins < SPINS) return;
    if (this.#spins === SPINS) this.#sinceMs = performance.now();
    else if (performance.now() - this.#sinceMs > STALL_MS) throw new Error('the key index stopped in the middle of a change');
    Atomics.wait(words, at, seen, PAUSE_MS);
  }
}

class Reader implements KeyIndexReader {
  readonly #handles: KeyIndexHandles;
  readonly #control: Int32Array;
  readonly #kid = new KidWords();
  readonly #patience = new Patience();
  readonly #view: View;
  #layout = -1;
  #slots: Int32Array = new Int32Array(0);
  #records: Int32Array = new Int32Array(0);
  #heap: Uint8Array = new Uint8Array(0);
  #grants: Int32Array = new Int32Array(0);
  /** Where the kept names stand in the heap, plus one: it is only ever appended to, so what stands at an offset stays true. */
  readonly #nameOffsets = new Uint32Array(NAMES);
  readonly #names: string[] = new Array<string>(NAMES).fill('');

  constructor(handles: KeyIndexHandles) {
    this.#handles = handles;
    this.#control = new Int32Array(handles.control);
    this.#view = new View((offset) => this.#name(offset));
  }

  get size(): number {
    return Atomics.load(this.#control, SIZE);
  }

  get changes(): number {
    return Atomics.load(this.#control, CHANGES);
  }

  find(kid: string): KeyView | null {
    const words = this.#kid;
    if (!words.pack(kid)) return null;
    const control = this.#control;
    const tag = words.hash & 0xff;
    const patience = this.#patience;
    patience.reset();
    for (;;) {
      const version = Atomics.load(control, VERSION);
      if ((version & 1) !== 0) {
        patience.wait(control, VERSION, version);
        continue;
      }
      if (Atomics.load(control, LAYOUT) !== this.#layout) this.#attach();
      const slots = this.#slots;
      const offset = Atomics.load(control, OFFSET);
      const capacity = Atomics.load(control, CAPACITY);
      if (offset + capacity > slots.length) {
        patience.wait(control, VERSION, version); // read across a growth
        continue;
      }
      let at = homeSlot(words.hash, capacity);
      for (let n = 0; n < capacity; n++) {
        const slot = Atomics.load(slots, offset + at);
        if (slot === 0) break;
        if (slot >>> 24 === tag && this.#read((slot & 0xff_ffff) - 1)) return this.#view;
        if (++at === capacity) at = 0;
      }
      if (Atomics.load(control, VERSION) === version) return null;
    }
  }

  /** Into the view, if the record is of the kid that was packed. Sees the record before or after a change, never between. */
  #read(record: number): boolean {
    const base = record * RECORD_WORDS;
    if (base + RECORD_WORDS > this.#records.length) this.#attach();
    const records = this.#records;
    const words = this.#kid;
    const view = this.#view;
    const digest = view.words;
    for (;;) {
      const meta = Atomics.load(records, base);
      if ((meta & WRITING) !== 0) {
        this.#patience.wait(records, base, meta);
        continue;
      }
      const low = Atomics.load(records, base + 1);
      const high = Atomics.load(records, base + 2);
      digest[0] = Atomics.load(records, base + 3);
      digest[1] = Atomics.load(records, base + 4);
      digest[2] = Atomics.load(records, base + 5);
      digest[3] = Atomics.load(records, base + 6);
      const grant = Atomics.load(records, base + 7);
      const credential = Atomics.load(records, base + 8);
      const notAfterS = Atomics.load(records, base + 9);
      const name = Atomics.load(records, base + 10);
      if (Atomics.load(records, base) !== meta) continue;
      if ((meta & USED) === 0 || low !== words.low || high !== words.high || meta >>> TOP_SHIFT !== words.top) return false;
      view.pepperVersion = meta & PEPPER_MASK;
      view.state = ((meta >>> STATE_SHIFT) & 3) as KeyView['state'];
      view.grant = grant >>> 0;
      view.credential = credential >>> 0;
      view.notAfterS = notAfterS >>> 0;
      view.nameOffset = name >>> 0;
      return true;
    }
  }

  grant(number: number): string | null {
    if (!Number.isInteger(number) || number < 0) return null;
    if (Atomics.load(this.#control, LAYOUT) !== this.#layout) this.#attach();
    if (number >= this.#grants.length) return null;
    const entry = Atomics.load(this.#grants, number) >>> 0;
    if (entry === 0) return null;
    if (entry + 3 >= this.#heap.length) this.#attach();
    const at = entry - 1;
    const heap = this.#heap;
    const length = (heap[at]! | (heap[at + 1]! << 8) | (heap[at + 2]! << 16) | (heap[at + 3]! << 24)) >>> 0;
    return Buffer.from(heap.subarray(at + 4, at + 4 + length)).toString('utf8');
  }

  #name(offset: number): string {
    const kept = Math.imul(offset, 0x9e3779b1) >>> NAMES_SHIFT;
    if (this.#nameOffsets[kept] === offset + 1) return this.#names[kept]!;
    const name = this.#decodeName(offset);
    this.#nameOffsets[kept] = offset + 1;
    this.#names[kept] = name;
    return name;
  }

  #decodeName(offset: number): string {
    if (offset + 2 > this.#heap.length) this.#attach();
    const length = this.#heap[offset]! | (this.#heap[offset + 1]! << 8);
    if (offset + 2 + length > this.#heap.length) this.#attach();
    return Buffer.from(this.#heap.subarray(offset + 2, offset + 2 + length)).toString('utf8');
  }

  /** Views of fixed length: on a growable buffer they are eight times faster than views that follow its length. */
  #attach(): void {
    const { slots, records, heap, grants } = this.#handles;
    this.#layout = Atomics.load(this.#control, LAYOUT);
    this.#slots = new Int32Array(slots, 0, slots.byteLength >> 2);
    this.#records = new Int32Array(records, 0, records.byteLength >> 2);
    this.#heap = new Uint8Array(heap, 0, heap.byteLength);
    this.#grants = new Int32Array(grants, 0, grants.byteLength >> 2);
  }
}

class View implements KeyView {
  readonly words = new Int32Array(4);
  readonly digest = new Uint8Array(this.words.buffer);
  readonly #nameAt: (offset: number) => string;
  pepperVersion = 0;
  state: KeyView['state'] = 0;
  notAfterS = 0;
  grant = 0;
  credential = 0;
  nameOffset = 0;

  constructor(nameAt: (offset: number) => string) {
    this.#nameAt = nameAt;
  }

  name(): string {
    return this.#nameAt(this.nameOffset);
  }
}

/** One per thread. `find` throws only when the writer died in the middle of a change: then nothing can be said, and the request is a 503. */
export function attachKeyIndex(handles: KeyIndexHandles): KeyIndexReader {
  return new Reader(handles);
}
