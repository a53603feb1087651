import type { Grant, KeyRecord } from '@fluxgate/policy';
import { encodeKeyPayload, KEY_PAYLOAD_FIXED_BYTES, KEY_STATES, type KeyShelf } from '@fluxgate/protocol/sync';
import type { KeyIndexHandles } from './handles.ts';
import {
  CAPACITY,
  CHANGES,
  CONTROL_WORDS,
  GRANTS_MAX,
  homeSlot,
  KEYS_MAX,
  LAYOUT,
  OFFSET,
  PEPPER_MASK,
  RECORD_WORDS,
  SEQUENCE_MASK,
  SIZE,
  STATE_SHIFT,
  TOP_SHIFT,
  USED,
  VERSION,
  WRITING,
} from './key-index-layout.ts';
import { hashKid, KidWords, unpackKid } from './kid.ts';

const RECORD_BYTES = RECORD_WORDS * 4;
const PAGE_BYTES = 65_536;
/** The table grows when it is fuller than this, to twice the room … */
const LOAD_MAX = 0.8;
const LOAD_AFTER_GROWTH = 0.55;
/** … and starts like this when the number of keys is known. */
const LOAD_RESERVED = 0.7;
const RECENT_NAMES = 4096;

/** Upper bounds; memory is reserved as address space and becomes real only where it is written. */
export interface KeyIndexBounds {
  readonly keysMax: number;
  readonly heapBytesMax: number;
}

const BOUNDS: KeyIndexBounds = { keysMax: KEYS_MAX, heapBytesMax: 2 ** 31 };

/** A growable buffer with a view of fixed length that is renewed at growth. */
class Growable {
  readonly buffer: SharedArrayBuffer;
  words: Int32Array;
  bytes: Uint8Array;

  constructor(bytesMax: number) {
    this.buffer = new SharedArrayBuffer(PAGE_BYTES, {
      maxByteLength: Math.max(PAGE_BYTES, Math.ceil(bytesMax / PAGE_BYTES) * PAGE_BYTES),
    });
    this.words = new Int32Array(this.buffer, 0, PAGE_BYTES >> 2);
    this.bytes = new Uint8Array(this.buffer, 0, PAGE_BYTES);
  }

  /** full: beyond the reserve. */
  room(bytes: number): 'there' | 'grown' | 'full' {
    if (bytes <= this.bytes.length) return 'there';
    if (bytes > this.buffer.maxByteLength) return 'full';
    const target = Math.min(
      this.buffer.maxByteLength,
      Math.ceil(Math.max(bytes, this.bytes.length * 2) / PAGE_BYTES) * PAGE_BYTES,
    );
    this.buffer.grow(target);
    this.words = new Int32Array(this.buffer, 0, target >> 2);
    this.bytes = new Uint8Array(this.buffer, 0, target);
    return 'grown';
  }
}

/** The only writer of the shared key index. Every change is visible to all readers when the call returns. */
export class KeyIndex implements KeyShelf {
  readonly #bounds: KeyIndexBounds;
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  readonly #slots: Growable;
  readonly #records: Growable;
  readonly #heap: Growable;
  readonly #grants: Growable;
  readonly #kid = new KidWords();
  readonly #scratchWords = new Int32Array(4);
  readonly #scratchBytes = new Uint8Array(this.#scratchWords.buffer);
  readonly #free: number[] = [];
  /** Versions of one credential share their name: the last few thousand credentials are remembered, by number modulo. */
  readonly #recentCredentials = new Uint32Array(RECENT_NAMES);
  readonly #recentNames = new Float64Array(RECENT_NAMES).fill(-1);
  #recordsUsed = 0;
  #heapUsed = 0;
  #size = 0;
  #offset = 0;
  #capacity = 0;
  #slotsDirty = 0;
  #grantCount = 0;

  constructor(bounds: Partial<KeyIndexBounds> = {}) {
    this.#bounds = { ...BOUNDS, ...bounds };
    const keysMax = Math.min(this.#bounds.keysMax, KEYS_MAX);
    this.#slots = new Growable(keysMax * 4 * 8);
    this.#records = new Growable(keysMax * RECORD_BYTES);
    this.#heap = new Growable(Math.min(this.#bounds.heapBytesMax, 2 ** 32 - PAGE_BYTES));
    this.#grants = new Growable(GRANTS_MAX * 4);
    this.#capacity = 256;
    this.#slotsDirty = 256;
    this.#publishTable();
    this.#layoutChanged();
  }

  handles(): KeyIndexHandles {
    return {
      control: this.#control.buffer as SharedArrayBuffer,
      slots: this.#slots.buffer,
      records: this.#records.buffer,
      heap: this.#heap.buffer,
      grants: this.#grants.buffer,
    };
  }

  get size(): number {
    return this.#size;
  }

  get grantCount(): number {
    return this.#grantCount;
  }

  /** Bytes in use, for status and measurements. */
  get bytes(): number {
    return this.#recordsUsed * RECORD_BYTES + this.#slotsDirty * 4 + this.#heapUsed;
  }

  /** Makes room for that many keys at once, so that a snapshot is loaded into one table. */
  reserve(keys: number): void {
    const wanted = Math.min(keys, this.#bounds.keysMax);
    if (wanted > this.#capacity * LOAD_RESERVED) this.#rebuild(Math.ceil(wanted / LOAD_RESERVED));
  }

  /** `payload`: the encoded record, if it is at hand; saves encoding the name. */
  putKey(record: KeyRecord, payload?: Uint8Array): string | null {
    if (!this.#kid.pack(record.kid)) return 'the id is not a kid';
    let index = this.#find();
    if (index < 0 && this.#size >= this.#bounds.keysMax) return `no room for more than ${this.#bounds.keysMax} keys`;
    if (index < 0 && this.#size + 1 > this.#capacity * LOAD_MAX) {
      if (!this.#rebuild(Math.ceil((this.#size + 1) / LOAD_AFTER_GROWTH))) return 'no room for a larger table of keys';
    }
    const nameBytes = payload === undefined ? Buffer.from(record.name, 'utf8') : payload.subarray(KEY_PAYLOAD_FIXED_BYTES);
    const name = this.#nameOffset(nameBytes, record.credential, index);
    if (name < 0) return 'no room for more names';
    const fresh = index < 0;
    if (fresh) {
      index = this.#allocate();
      if (index < 0) return `no room for more than ${this.#bounds.keysMax} keys`;
    }
    this.#write(index, record, name);
    if (fresh) {
      this.#insertSlot(index);
      this.#size += 1;
      Atomics.store(this.#control, SIZE, this.#size);
    }
    Atomics.add(this.#control, CHANGES, 1);
    return null;
  }

  deleteKey(kid: string): void {
    if (!this.#kid.pack(kid)) return;
    const slot = this.#findSlot();
    if (slot < 0) return;
    const index = (this.#slots.words[this.#offset + slot]! & 0xff_ffff) - 1;
    Atomics.add(this.#control, VERSION, 1);
    this.#closeGap(slot);
    Atomics.add(this.#control, VERSION, 1);
    const words = this.#records.words;
    const base = index * RECORD_WORDS;
    const sequence = this.#openRecord(base);
    for (let i = 1; i < RECORD_WORDS; i++) Atomics.store(words, base + i, 0);
    Atomics.store(words, base, sequence);
    this.#free.push(index);
    this.#size -= 1;
    Atomics.store(this.#control, SIZE, this.#size);
    Atomics.add(this.#control, CHANGES, 1);
  }

  keyRecord(kid: string): KeyRecord | null {
    if (!this.#kid.pack(kid)) return null;
    const index = this.#find();
    return index < 0 ? null : this.#recordAt(index);
  }

  keyPayload(kid: string): Uint8Array | null {
    const record = this.keyRecord(kid);
    return record === null ? null : encodeKeyPayload(record);
  }

  putGrant(number: number, _grant: Grant, payload: Uint8Array): string | null {
    if (number >= GRANTS_MAX) return `grant numbers end at ${GRANTS_MAX - 1}`;
    const before = this.#grants.room((number + 1) * 4) === 'grown';
    const at = this.#append(payload, 4);
    if (at < 0) return 'no room for more grants';
    if (before) this.#layoutChanged();
    if (Atomics.exchange(this.#grants.words, number, at + 1) === 0) this.#grantCount += 1;
    Atomics.add(this.#control, CHANGES, 1);
    return null;
  }

  grantPayload(number: number): Uint8Array | null {
    const entry = number < this.#grants.words.length ? this.#grants.words[number]! >>> 0 : 0;
    if (entry === 0) return null;
    const at = entry - 1;
    const view = new DataView(this.#heap.buffer, at, 4);
    return Uint8Array.from(this.#heap.bytes.subarray(at + 4, at + 4 + view.getUint32(0, true)));
  }

  deleteGrant(number: number): void {
    if (number >= this.#grants.words.length) return;
    if (Atomics.exchange(this.#grants.words, number, 0) !== 0) this.#grantCount -= 1;
    Atomics.add(this.#control, CHANGES, 1);
  }

  /** All kids, in no order. */
  *kids(): Generator<string> {
    const words = this.#records.words;
    for (let index = 0; index < this.#recordsUsed; index++) {
      const base = index * RECORD_WORDS;
      const meta = words[base]!;
      if ((meta & USED) !== 0) yield unpackKid(words[base + 1]!, words[base + 2]!, meta >>> TOP_SHIFT);
    }
  }

  #recordAt(index: number): KeyRecord {
    const words = this.#records.words;
    const base = index * RECORD_WORDS;
    const meta = words[base]!;
    this.#scratchWords.set(words.subarray(base + 3, base + 7));
    const nameAt = words[base + 10]! >>> 0;
    return {
      kid: unpackKid(words[base + 1]!, words[base + 2]!, meta >>> TOP_SHIFT),
      digest: Uint8Array.from(this.#scratchBytes),
      pepperVersion: meta & PEPPER_MASK,
      state: KEY_STATES[(meta >>> STATE_SHIFT) & 3]!,
      grant: words[base + 7]! >>> 0,
      credential: words[base + 8]! >>> 0,
      notAfterS: words[base + 9]! >>> 0,
      name: Buffer.from(this.#nameBytes(nameAt)).toString('utf8'),
    };
  }

  #nameBytes(at: number): Uint8Array {
    const heap = this.#heap.bytes;
    return heap.subarray(at + 2, at + 2 + (heap[at]! | (heap[at + 1]! << 8)));
  }

  /** Where the name stands already, or where it was put; −1 when the heap is full. */
  #nameOffset(name: Uint8Array, credential: number, index: number): number {
    if (index >= 0) {
      const at = this.#records.words[index * RECORD_WORDS + 10]! >>> 0;
      if (this.#isNameAt(at, name)) return at;
    }
    const recent = credential % RECENT_NAMES;
    const known = this.#recentNames[recent]!;
    if (known >= 0 && this.#recentCredentials[recent] === credential && this.#isNameAt(known, name)) return known;
    const at = this.#append(name, 2);
    if (at < 0) return at;
    this.#recentCredentials[recent] = credential;
    this.#recentNames[recent] = at;
    return at;
  }

  #isNameAt(at: number, name: Uint8Array): boolean {
    const heap = this.#heap.bytes;
    if ((heap[at]! | (heap[at + 1]! << 8)) !== name.byteLength) return false;
    for (let i = 0; i < name.byteLength; i++) if (heap[at + 2 + i] !== name[i]) return false;
    return true;
  }

  #append(bytes: Uint8Array, lengthBytes: 2 | 4): number {
    const at = this.#heapUsed;
    const room = this.#heap.room(at + lengthBytes + bytes.byteLength);
    if (room === 'full') return -1;
    const heap = this.#heap.bytes;
    for (let i = 0; i < lengthBytes; i++) heap[at + i] = bytes.byteLength >>> (8 * i);
    const to = at + lengthBytes;
    if (bytes.byteLength > 64) heap.set(bytes, to);
    else for (let i = 0; i < bytes.byteLength; i++) heap[to + i] = bytes[i]!; // a call into C++ costs more than a short name
    this.#heapUsed = at + lengthBytes + bytes.byteLength;
    if (room === 'grown') this.#layoutChanged();
    return at;
  }

  #allocate(): number {
    const reused = this.#free.pop();
    if (reused !== undefined) return reused;
    const room = this.#records.room((this.#recordsUsed + 1) * RECORD_BYTES);
    if (room === 'full') return -1;
    if (room === 'grown') this.#layoutChanged();
    this.#recordsUsed += 1;
    return this.#recordsUsed - 1;
  }

  /** Marks the record as being written; gives the meta word, without content, that ends it. */
  #openRecord(base: number): number {
    const words = this.#records.words;
    const meta = words[base]!;
    Atomics.store(words, base, meta | WRITING);
    // Adding twice the lowest bit to the field steps the sequence and leaves `writing` clear.
    return (meta + 2 * WRITING) & SEQUENCE_MASK & ~WRITING;
  }

  #write(index: number, record: KeyRecord, name: number): void {
    const words = this.#records.words;
    const base = index * RECORD_WORDS;
    this.#scratchBytes.set(record.digest);
    const sequence = this.#openRecord(base);
    Atomics.store(words, base + 1, this.#kid.low);
    Atomics.store(words, base + 2, this.#kid.high);
    for (let i = 0; i < 4; i++) Atomics.store(words, base + 3 + i, this.#scratchWords[i]!);
    Atomics.store(words, base + 7, record.grant | 0);
    Atomics.store(words, base + 8, record.credential | 0);
    Atomics.store(words, base + 9, record.notAfterS | 0);
    Atomics.store(words, base + 10, name | 0);
    const content =
      (record.pepperVersion & PEPPER_MASK) |
      (KEY_STATES.indexOf(record.state) << STATE_SHIFT) |
      USED |
      (this.#kid.top << TOP_SHIFT);
    Atomics.store(words, base, sequence | content);
  }

  #find(): number {
    const slot = this.#findSlot();
    return slot < 0 ? -1 : (this.#slots.words[this.#offset + slot]! & 0xff_ffff) - 1;
  }

  /** Slot of the kid that was packed, or −1. */
  #findSlot(): number {
    const slots = this.#slots.words;
    const records = this.#records.words;
    const { low, high, top, hash } = this.#kid;
    for (let at = homeSlot(hash, this.#capacity); ; at = at + 1 === this.#capacity ? 0 : at + 1) {
      const slot = slots[this.#offset + at]!;
      if (slot === 0) return -1;
      if (slot >>> 24 !== (hash & 0xff)) continue;
      const base = ((slot & 0xff_ffff) - 1) * RECORD_WORDS;
      if (records[base + 1] === low && records[base + 2] === high && records[base]! >>> TOP_SHIFT === top) return at;
    }
  }

  #insertSlot(index: number): void {
    const slots = this.#slots.words;
    const hash = this.#kid.hash;
    let at = homeSlot(hash, this.#capacity);
    while (slots[this.#offset + at] !== 0) at = at + 1 === this.#capacity ? 0 : at + 1;
    Atomics.store(slots, this.#offset + at, (hash << 24) | (index + 1));
  }

  #hashAt(index: number): number {
    const words = this.#records.words;
    const base = index * RECORD_WORDS;
    return hashKid(words[base + 1]!, words[base + 2]!, words[base]! >>> TOP_SHIFT);
  }

  /** Takes a slot out and moves back those behind it that may lie nearer to home: no tombstones, so a miss stays short. */
  #closeGap(slot: number): void {
    const slots = this.#slots.words;
    const capacity = this.#capacity;
    let gap = slot;
    for (let at = (slot + 1) % capacity; slots[this.#offset + at] !== 0; at = (at + 1) % capacity) {
      const entry = slots[this.#offset + at]!;
      const home = homeSlot(this.#hashAt((entry & 0xff_ffff) - 1), capacity);
      if ((at - home + capacity) % capacity >= (at - gap + capacity) % capacity) {
        Atomics.store(slots, this.#offset + gap, entry);
        gap = at;
      }
    }
    Atomics.store(slots, this.#offset + gap, 0);
  }

  /** Fills a table of that capacity beside the current one, then tells of it. Uses the room of older tables where it suffices. */
  #rebuild(capacity: number): boolean {
    const offset = capacity <= this.#offset ? 0 : this.#offset + this.#capacity;
    const room = this.#slots.room((offset + capacity) * 4);
    if (room === 'full') return false;
    if (room === 'grown') this.#layoutChanged();
    const slots = this.#slots.words;
    slots.fill(0, offset, Math.min(offset + capacity, this.#slotsDirty));
    const records = this.#records.words;
    for (let index = 0; index < this.#recordsUsed; index++) {
      if ((records[index * RECORD_WORDS]! & USED) === 0) continue;
      const hash = this.#hashAt(index);
      let at = homeSlot(hash, capacity);
      while (slots[offset + at] !== 0) at = at + 1 === capacity ? 0 : at + 1;
      slots[offset + at] = (hash << 24) | (index + 1);
    }
    this.#slotsDirty = Math.max(this.#slotsDirty, offset + capacity);
    this.#offset = offset;
    this.#capacity = capacity;
    this.#publishTable();
    return true;
  }

  #publishTable(): void {
    Atomics.add(this.#control, VERSION, 1);
    Atomics.store(this.#control, OFFSET, this.#offset);
    Atomics.store(this.#control, CAPACITY, this.#capacity);
    Atomics.add(this.#control, VERSION, 1);
  }

  #layoutChanged(): void {
    Atomics.add(this.#control, LAYOUT, 1);
  }
}
