import { FAULT } from './faults.ts';
import { CR, HEX_BYTE, HTAB, LF, NAME_BYTE, SP, VALUE_BYTE } from './grammar.ts';

const EXTENSION_BYTES_MAX = 256;
/** Over a whole body: extensions and needlessly small chunks must not become a way to make us work for nothing. */
const EXTENSIONS_TOTAL_MAX = 16_384;
const SIZE_DIGITS_MAX = 16;
export const TRAILER_BYTES_MAX = 8192;

const STATE = {
  sizeFirst: 0,
  size: 1,
  sizeBws: 2,
  extStart: 3,
  extName: 4,
  extNameBws: 5,
  extValueStart: 6,
  extToken: 7,
  extQuoted: 8,
  extEscape: 9,
  extAfterQuoted: 10,
  sizeLf: 11,
  data: 12,
  dataCr: 13,
  dataLf: 14,
  trailerStart: 15,
  trailerLine: 16,
  done: 17,
} as const;

/**
 * Decoder of RFC 9112 §7.1, one grammar for both directions. Data bytes are moved together in place, so that what was many chunks
 * leaves as one slice. Extensions are checked and dropped; trailers are collected as bytes for `scanTrailers`.
 */
export class ChunkedDecoder {
  #state: number = STATE.sizeFirst;
  #digits = 0;
  #left = 0;
  #extension = 0;
  #extensions = 0;
  #trailers: number[] | null = null;
  /** After `decode`: data is `buf[from, dataEnd)`. */
  dataEnd = 0;

  get done(): boolean {
    return this.#state === STATE.done;
  }

  /** The trailer section with its final empty line, or null if there were no trailer fields. */
  get trailers(): Uint8Array | null {
    return this.#trailers === null ? null : Uint8Array.from(this.#trailers);
  }

  /** Decodes `buf[from, end)`; answers the position after the last byte used (less than `end` only when done), or a fault. */
  decode(buf: Uint8Array, from: number, end: number): number {
    let p = from;
    let out = from;
    let state = this.#state;
    while (p < end && state !== STATE.done) {
      if (state === STATE.data) {
        const take = Math.min(this.#left, end - p);
        if (out !== p) buf.copyWithin(out, p, p + take);
        out += take;
        p += take;
        this.#left -= take;
        if (this.#left === 0) state = STATE.dataCr;
        continue;
      }
      state = this.#step(state, buf[p++]!);
      if (state < 0) return state;
    }
    this.#state = state;
    this.dataEnd = out;
    return p;
  }

  #step(state: number, byte: number): number {
    switch (state) {
      case STATE.sizeFirst:
      case STATE.size: {
        const digit = HEX_BYTE[byte]!;
        if (digit > 0) {
          if (++this.#digits > SIZE_DIGITS_MAX) return FAULT.chunkSize;
          this.#left = this.#left * 16 + digit - 1;
          return this.#left > Number.MAX_SAFE_INTEGER ? FAULT.chunkSize : STATE.size;
        }
        if (state === STATE.sizeFirst) return FAULT.chunkSize;
        this.#extension = 0;
        if (byte === CR) return STATE.sizeLf;
        if (byte === 59) return STATE.extStart;
        return byte === SP || byte === HTAB ? STATE.sizeBws : FAULT.chunkSize;
      }
      case STATE.sizeLf:
        if (byte !== LF) return FAULT.chunkSize;
        this.#digits = 0;
        return this.#left === 0 ? STATE.trailerStart : STATE.data;
      case STATE.dataCr:
        return byte === CR ? STATE.dataLf : FAULT.chunkEnd;
      case STATE.dataLf:
        return byte === LF ? STATE.sizeFirst : FAULT.chunkEnd;
      case STATE.trailerStart:
      case STATE.trailerLine:
        return this.#trailer(state, byte);
      default:
        if (++this.#extension > EXTENSION_BYTES_MAX || ++this.#extensions > EXTENSIONS_TOTAL_MAX) return FAULT.chunkExtension;
        return extensionStep(state, byte);
    }
  }

  /** Bytes only; the names and values are judged by the head scanner, once the section is whole. */
  #trailer(state: number, byte: number): number {
    if (this.#trailers === null) {
      if (byte === CR && state === STATE.trailerStart) {
        this.#trailers = [CR];
        return STATE.trailerLine;
      }
      this.#trailers = [];
    }
    const bytes = this.#trailers;
    bytes.push(byte);
    const n = bytes.length;
    if (n > TRAILER_BYTES_MAX) return FAULT.trailer;
    if (byte === LF) {
      if (bytes[n - 2] !== CR) return FAULT.trailer;
      if (n === 2) {
        this.#trailers = null;
        return STATE.done;
      }
      return n >= 4 && bytes[n - 3] === LF ? STATE.done : STATE.trailerLine;
    }
    if (bytes[n - 2] === CR) return FAULT.trailer;
    if (byte !== CR && VALUE_BYTE[byte] === 0) return FAULT.trailer;
    return STATE.trailerLine;
  }
}

/** chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
function extensionStep(state: number, byte: number): number {
  const space = byte === SP || byte === HTAB;
  switch (state) {
    case STATE.sizeBws:
    case STATE.extAfterQuoted:
      if (byte === 59) return STATE.extStart;
      if (byte === CR) return state === STATE.extAfterQuoted ? STATE.sizeLf : FAULT.chunkSize;
      return space ? STATE.sizeBws : state === STATE.sizeBws ? FAULT.chunkSize : FAULT.chunkExtension;
    case STATE.extStart:
      if (space) return STATE.extStart;
      return NAME_BYTE[byte] !== 0 ? STATE.extName : FAULT.chunkExtension;
    case STATE.extName:
      if (NAME_BYTE[byte] !== 0) return STATE.extName;
      if (byte === 61) return STATE.extValueStart;
      if (byte === 59) return STATE.extStart;
      if (byte === CR) return STATE.sizeLf;
      return space ? STATE.extNameBws : FAULT.chunkExtension;
    case STATE.extNameBws:
      if (space) return STATE.extNameBws;
      if (byte === 61) return STATE.extValueStart;
      return byte === 59 ? STATE.extStart : FAULT.chunkExtension;
    case STATE.extValueStart:
      if (space) return STATE.extValueStart;
      if (byte === 34) return STATE.extQuoted;
      return NAME_BYTE[byte] !== 0 ? STATE.extToken : FAULT.chunkExtension;
    case STATE.extToken:
      if (NAME_BYTE[byte] !== 0) return STATE.extToken;
      if (byte === 59) return STATE.extStart;
      if (byte === CR) return STATE.sizeLf;
      return space ? STATE.sizeBws : FAULT.chunkExtension;
    case STATE.extQuoted:
      if (byte === 34) return STATE.extAfterQuoted;
      if (byte === 92) return STATE.extEscape;
      return VALUE_BYTE[byte] === 1 ? STATE.extQuoted : FAULT.chunkExtension;
    case STATE.extEscape:
      return VALUE_BYTE[byte] === 1 ? STATE.extQuoted : FAULT.chunkExtension;
    default:
      return FAULT.chunkExtension;
  }
}
