/**
 * Reading and writing little-endian binary data. The reader never trusts a length: it refuses with `Malformed` before it
 * allocates or looks past the end. `Malformed` does not leave this folder: public decoders turn it into a value.
 */

export class Malformed extends Error {}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }

  get position(): number {
    return this.#at;
  }

  #take(length: number): number {
    if (length > this.left) throw new Malformed(`needs ${length} bytes at ${this.#at}, ${this.left} are left`);
    const at = this.#at;
    this.#at += length;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A u64 that must fit a safe integer. */
  u64(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at + 4, true);
    if (high > 0x1fffff) throw new Malformed(`number at ${at} is beyond 2^53`);
    return high * 0x1_0000_0000 + this.#view.getUint32(at, true);
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(length: number): string {
    const at = this.#at;
    try {
      return UTF8.decode(this.bytes(length));
    } catch (error) {
      if (error instanceof Malformed) throw error;
      throw new Malformed(`text at ${at} is not UTF-8`);
    }
  }

  end(): void {
    if (this.left !== 0) throw new Malformed(`${this.left} bytes too many`);
  }
}

/** Appends to a buffer that grows. `finish` gives exactly what was written. */
export class ByteWriter {
  #buffer: Buffer;
  #at = 0;

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#at;
  }

  #room(length: number): number {
    const at = this.#at;
    if (at + length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + length));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#at = at + length;
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a u64: ${value}`);
    return this.u32(value % 0x1_0000_0000).u32(Math.floor(value / 0x1_0000_0000));
  }

  bytes(value: Uint8Array): this {
    const at = this.#room(value.byteLength);
    this.#buffer.set(value, at);
    return this;
  }

  /** Exactly `length` bytes, or a fault of the caller. */
  fixed(value: Uint8Array, length: number): this {
    if (value.byteLength !== length) throw new RangeError(`needs ${length} bytes, got ${value.byteLength}`);
    return this.bytes(value);
  }

  /** Overwrites a u32 written earlier. */
  patchU32(at: number, value: number): this {
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }
}
