import type { LeaseHandles } from './handles.ts';
import { SubjectHash } from './subject-hash.ts';

/**
 * Shape of the shared lease cells. The sync thread makes and frees cells and adds tokens; workers only take tokens away.
 *
 * The word that holds the tokens also holds the cell's generation, which steps whenever the cell changes hands. So the compare-and-swap that
 * spends a token fails if the cell has meanwhile become someone else's, however long the worker slept in between.
 *
 * cells  header of 64 bytes, then 64 bytes a cell
 * names  one tag word per cell (0: free), then 64 bytes of subject (Latin-1) per cell
 */

export const SUBJECT_CHARS_MAX = 64;
export const CELLS_DEFAULT = 1 << 16;

/** A subject may lie in any of this many cells, from its home on. */
export const REACH = 32;
const GROUP = 8;

export const CELL_WORDS = 16;
const HEADER_WORDS = 16;
/** Header words. */
export const AUTHORITY = 0;
const SEED_A = 1;
const SEED_B = 2;

/** Cell words. */
export const TOKENS = 0; // generation 12 | tokens 20
export const EXHAUSTED_UNTIL = 1; // tenths; 0 is not exhausted
export const SPENT = 2; // counts up, wraps
export const LOW_WATER = 3;
export const LOW_TOLD = 4;
export const NAME_LENGTH = 5;
export const DEADLINE = 6; // tenths, FOREVER for none
export const LEFT = 7; // u32, saturated

export const TOKENS_MASK = 0xf_ffff;
export const GENERATION_STEP = 1 << 20;
/** Times in cells: tenths of a second of the monotonic clock since the memory was made, so that 32 bits last for years. */
export const FOREVER = 0x7fff_ffff;

/** `seed`: two random words; `nowMs`: monotonic. */
export function createLeaseMemory(seed: readonly [number, number], nowMs: number, count: number = CELLS_DEFAULT): LeaseHandles {
  const cells = new SharedArrayBuffer((HEADER_WORDS + count * CELL_WORDS) * 4);
  const header = new Int32Array(cells, 0, HEADER_WORDS);
  header[SEED_A] = seed[0];
  header[SEED_B] = seed[1];
  new Float64Array(cells, 0, HEADER_WORDS / 2)[4] = nowMs;
  return { cells, names: new SharedArrayBuffer(count * (4 + SUBJECT_CHARS_MAX)) };
}

/** Views and arithmetic that both sides need. */
export class LeaseCells {
  readonly words: Int32Array;
  readonly tags: Int32Array;
  readonly #names: Uint8Array;
  readonly #hash: SubjectHash;
  readonly #baseMs: number;
  readonly count: number;

  constructor(handles: LeaseHandles) {
    this.words = new Int32Array(handles.cells);
    this.count = (this.words.length - HEADER_WORDS) / CELL_WORDS;
    this.tags = new Int32Array(handles.names, 0, this.count);
    this.#names = new Uint8Array(handles.names, this.count * 4);
    this.#hash = new SubjectHash(this.words[SEED_A]!, this.words[SEED_B]!);
    this.#baseMs = new Float64Array(handles.cells, 0, HEADER_WORDS / 2)[4]!;
  }

  /** First cell in which the subject may lie; the tag by which it is told apart is then in `tag`. */
  home(subject: string): number {
    this.#hash.of(0, subject);
    return ((this.#hash.a >>> 0) % Math.max(1, Math.floor(this.count / GROUP))) * GROUP;
  }

  /** Of the subject given to `home` last. Never 0. */
  get tag(): number {
    return this.#hash.b === 0 ? 1 : this.#hash.b;
  }

  base(cell: number): number {
    return HEADER_WORDS + cell * CELL_WORDS;
  }

  isNamed(cell: number, subject: string): boolean {
    if (this.words[this.base(cell) + NAME_LENGTH] !== subject.length) return false;
    const at = cell * SUBJECT_CHARS_MAX;
    for (let i = 0; i < subject.length; i++) if (this.#names[at + i] !== subject.charCodeAt(i)) return false;
    return true;
  }

  writeName(cell: number, subject: string): void {
    const at = cell * SUBJECT_CHARS_MAX;
    for (let i = 0; i < subject.length; i++) this.#names[at + i] = subject.charCodeAt(i);
    this.words[this.base(cell) + NAME_LENGTH] = subject.length;
  }

  readName(cell: number): string {
    const at = cell * SUBJECT_CHARS_MAX;
    return Buffer.from(this.#names.subarray(at, at + this.words[this.base(cell) + NAME_LENGTH]!)).toString('latin1');
  }

  /** Rounded down: what ends must not be used too long. */
  tenths(ms: number): number {
    const tenths = Math.floor((ms - this.#baseMs) / 100);
    return tenths >= FOREVER ? FOREVER : Math.max(0, tenths);
  }
}
