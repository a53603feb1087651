/**
 * Shape of the shared key index. One thread writes, any number read, nobody locks.
 *
 * records  44 bytes each, in words:
 *            0      meta: pepper version 8 | state 2 | used 1 | writing + sequence 13 | top of the kid 8
 *            1, 2   kid, low words
 *            3–6    digest
 *            7–9    grant, credential, notAfter (seconds)
 *            10     offset of the name in the heap
 * slots    open addressing, linear probing, one word each: tag 8 | record + 1 in 24; 0 is empty. The table lies at OFFSET with CAPACITY
 *          slots; a larger one is filled beside it and then told of.
 * heap     append-only bytes: names (u16 length, UTF-8), grants (u32 length, JSON)
 * grants   word per grant number: heap offset + 1, 0 is unknown
 */

export const RECORD_WORDS = 11;

/** Words of `control`. */
export const LAYOUT = 0; // counts growths of any buffer: readers make new views
export const VERSION = 1; // odd while slots move; a miss counts only if it did not change meanwhile
export const OFFSET = 2;
export const CAPACITY = 3;
export const SIZE = 4;
export const CHANGES = 5; // counts what was put and deleted, after the fact: who watches keys looks again when it moved
export const CONTROL_WORDS = 16;

export const PEPPER_MASK = 0xff;
export const STATE_SHIFT = 8;
export const USED = 1 << 10;
export const WRITING = 1 << 11;
export const SEQUENCE_MASK = 0x1fff << 11;
export const TOP_SHIFT = 24;

/** 24 bits for a record, and 0 means empty. */
export const KEYS_MAX = 0xff_fffe;
export const GRANTS_MAX = 1 << 24;

export function homeSlot(hash: number, capacity: number): number {
  return Math.floor(((hash >>> 0) * capacity) / 0x1_0000_0000);
}
