import { FAULT } from './faults.ts';
import { COLON, CR, HASH_SEED, HTAB, hashName, hashStep, LF, NAME_BYTE, SP, TARGET_BYTE, VALUE_BYTE } from './grammar.ts';
import { KIND, type NameTable } from './names.ts';

/** Numbers kept per field, all relative to the head's first byte. */
const LINE = 0;
const NAME_END = 1;
const VALUE = 2;
const VALUE_END = 3;
const HASH = 4;
const FIELD_KIND = 5;
const STRIDE = 6;

export interface HeadLimits {
  readonly headBytes: number;
  readonly fields: number;
  readonly targetBytes: number;
}

const VERSION = Buffer.from('HTTP/1.', 'latin1');

/**
 * One pass over the bytes of a head: start line, then fields, each byte looked up in a table. It notes where things are; nothing
 * is copied. When bytes are missing it stops at the last whole line and goes on from there. One instance serves all connections
 * of a worker whose head arrived in one piece.
 */
export class HeadScanner {
  readonly #limits: HeadLimits;
  #fields = new Int32Array(32 * STRIDE);
  /** Relative start of the first line not scanned yet. */
  #next = 0;
  count = 0;
  methodEnd = 0;
  targetEnd = 0;
  minor = 1;
  status = 0;
  /** Field index + 1 of the last field of each kind, and how many there were. */
  readonly at = new Int32Array(KIND.kinds);
  readonly seen = new Int32Array(KIND.kinds);
  /** Whose head the notes are about; readers check it before they trust them. */
  owner: object | null = null;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  reset(): void {
    this.#next = 0;
    this.count = 0;
    for (let kind = 0; kind < KIND.kinds; kind++) {
      this.at[kind] = 0;
      this.seen[kind] = 0;
    }
    this.owner = null;
  }

  /** The head's length in bytes, 0 if more are needed, or a fault. */
  scanRequest(buf: Uint8Array, base: number, end: number, names: NameTable): number {
    if (this.#next === 0) {
      const next = this.#requestLine(buf, base, end);
      if (next <= 0) return next;
      this.#next = next;
    }
    return this.#scanFields(buf, base, end, names);
  }

  scanResponse(buf: Uint8Array, base: number, end: number, names: NameTable): number {
    if (this.#next === 0) {
      const next = this.#statusLine(buf, base, end);
      if (next <= 0) return next;
      this.#next = next;
    }
    return this.#scanFields(buf, base, end, names);
  }

  /** A trailer section: fields and an empty line, no start line. */
  scanTrailers(buf: Uint8Array, base: number, end: number, names: NameTable): number {
    return this.#scanFields(buf, base, end, names);
  }

  #requestLine(buf: Uint8Array, base: number, end: number): number {
    const limits = this.#limits;
    let p = base;
    while (p < end && NAME_BYTE[buf[p]!] !== 0) p++;
    if (p === end) return p - base > limits.targetBytes ? FAULT.method : 0;
    if (buf[p] !== SP || p === base) return FAULT.method;
    this.methodEnd = p - base;
    const target = ++p;
    while (p < end && TARGET_BYTE[buf[p]!] === 1) p++;
    if (p - target > limits.targetBytes) return FAULT.targetLong;
    if (p === end) return 0;
    if (buf[p] !== SP) return buf[p] === CR || buf[p] === LF ? FAULT.requestLine : FAULT.target;
    if (p === target) return FAULT.targetForm;
    this.targetEnd = p - base;
    return this.#versionAndEnd(buf, base, p + 1, end);
  }

  #versionAndEnd(buf: Uint8Array, base: number, start: number, end: number): number {
    let p = start;
    for (let i = 0; i < 7; i++, p++) {
      if (p === end) return 0;
      if (buf[p] === VERSION[i]) continue;
      const other = i === 5 && buf[p]! >= 48 && buf[p]! <= 57;
      return other ? FAULT.version : FAULT.requestLine;
    }
    if (p === end) return 0;
    const minor = buf[p]! - 48;
    if (minor < 0 || minor > 9) return FAULT.requestLine;
    if (p + 1 === end) return 0;
    if (buf[p + 1] !== CR) return FAULT.requestLine;
    if (p + 2 === end) return 0;
    if (buf[p + 2] !== LF) return FAULT.lineEnd;
    if (minor > 1) return FAULT.version;
    this.minor = minor;
    return p + 3 - base;
  }

  /** RFC 9112 §4; a missing space before an empty reason is tolerated. */
  #statusLine(buf: Uint8Array, base: number, end: number): number {
    let p = base;
    for (let i = 0; i < 7; i++, p++) {
      if (p === end) return 0;
      if (buf[p] !== VERSION[i]) return FAULT.statusLine;
    }
    if (end - p < 6) return 0;
    const minor = buf[p]! - 48;
    if (minor !== 0 && minor !== 1) return FAULT.statusLine;
    if (buf[p + 1] !== SP) return FAULT.statusLine;
    const a = buf[p + 2]! - 48;
    const b = buf[p + 3]! - 48;
    const c = buf[p + 4]! - 48;
    if (a < 1 || a > 9 || b < 0 || b > 9 || c < 0 || c > 9) return FAULT.statusLine;
    p += 5;
    if (buf[p] === SP) {
      p++;
      while (p < end && VALUE_BYTE[buf[p]!] === 1) p++;
    }
    if (p === end) return p - base > this.#limits.headBytes ? FAULT.headLong : 0;
    if (buf[p] !== CR) return FAULT.statusLine;
    if (p + 1 === end) return 0;
    if (buf[p + 1] !== LF) return FAULT.statusLine;
    this.minor = minor;
    this.status = a * 100 + b * 10 + c;
    this.methodEnd = p - base;
    return p + 2 - base;
  }

  #scanFields(buf: Uint8Array, base: number, end: number, names: NameTable): number {
    const most = this.#limits.headBytes;
    let p = base + this.#next;
    for (;;) {
      const line = p;
      this.#next = line - base;
      if (p >= end) return this.#next > most ? FAULT.headLong : 0;
      let byte = buf[p]!;
      if (byte === CR) {
        if (p + 1 >= end) return 0;
        if (buf[p + 1] !== LF) return FAULT.lineEnd;
        const length = p + 2 - base;
        return length > most ? FAULT.headLong : length;
      }
      let hash = HASH_SEED;
      let normal = NAME_BYTE[byte]!;
      while (normal !== 0) {
        hash = hashStep(hash, normal);
        if (++p >= end) return p - base > most ? FAULT.headLong : 0;
        byte = buf[p]!;
        normal = NAME_BYTE[byte]!;
      }
      if (byte !== COLON || p === line) return this.#nameFault(byte, p === line);
      const nameEnd = p++;
      while (p < end && (buf[p] === SP || buf[p] === HTAB)) p++;
      const value = p;
      while (p < end && VALUE_BYTE[buf[p]!] === 1) p++;
      if (p - base > most) return FAULT.headLong;
      if (p >= end) return 0;
      if (buf[p] !== CR) return buf[p] === LF ? FAULT.lineEnd : FAULT.value;
      if (p + 1 >= end) return 0;
      if (buf[p + 1] !== LF) return FAULT.lineEnd;
      let valueEnd = p;
      while (valueEnd > value && (buf[valueEnd - 1] === SP || buf[valueEnd - 1] === HTAB)) valueEnd--;
      p += 2;
      const kind = names.kindOf(hash, buf, line, nameEnd);
      const fault = this.#note(line - base, nameEnd - base, value - base, valueEnd - base, hash, kind);
      if (fault !== 0) return fault;
    }
  }

  #nameFault(byte: number, empty: boolean): number {
    if (empty && (byte === SP || byte === HTAB)) return FAULT.fold;
    return byte === LF || byte === CR ? FAULT.lineEnd : FAULT.name;
  }

  #note(line: number, nameEnd: number, value: number, valueEnd: number, hash: number, kind: number): number {
    const index = this.count;
    if (index >= this.#limits.fields) return FAULT.fieldsMany;
    let at = index * STRIDE;
    if (at === this.#fields.length) {
      const wider = new Int32Array(Math.min(this.#fields.length * 2, this.#limits.fields * STRIDE));
      wider.set(this.#fields);
      this.#fields = wider;
    }
    const fields = this.#fields;
    fields[at++] = line;
    fields[at++] = nameEnd;
    fields[at++] = value;
    fields[at++] = valueEnd;
    fields[at++] = hash;
    fields[at] = kind;
    this.count = index + 1;
    if (kind !== KIND.other) {
      this.at[kind] = index + 1;
      this.seen[kind]!++;
    }
    return 0;
  }

  lineStart(index: number): number {
    return this.#fields[index * STRIDE + LINE]!;
  }
  hash(index: number): number {
    return this.#fields[index * STRIDE + HASH]!;
  }
  kind(index: number): number {
    return this.#fields[index * STRIDE + FIELD_KIND]!;
  }
  name(text: string, index: number): string {
    return text.slice(this.#fields[index * STRIDE + LINE], this.#fields[index * STRIDE + NAME_END]);
  }
  value(text: string, index: number): string {
    return text.slice(this.#fields[index * STRIDE + VALUE], this.#fields[index * STRIDE + VALUE_END]);
  }

  /** Index of the first field of that lower-case name from `from` on, or -1. Spellings with `_` for `-` are other names. */
  find(text: string, name: string, from: number): number {
    const hash = hashName(name);
    for (let i = from; i < this.count; i++) if (this.hash(i) === hash && this.isNamed(text, i, name)) return i;
    return -1;
  }

  nameLength(index: number): number {
    const at = index * STRIDE;
    return this.#fields[at + NAME_END]! - this.#fields[at + LINE]!;
  }

  isNamed(text: string, index: number, name: string): boolean {
    const at = index * STRIDE;
    const start = this.#fields[at + LINE]!;
    if (this.#fields[at + NAME_END]! - start !== name.length) return false;
    for (let i = 0; i < name.length; i++) {
      let c = text.charCodeAt(start + i);
      if (c >= 65 && c <= 90) c |= 32;
      if (c !== name.charCodeAt(i)) return false;
    }
    return true;
  }
}
