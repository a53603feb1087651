import { ChunkedDecoder } from './chunked.ts';
import type { ClientInput } from './client-input.ts';
import { FAULT } from './faults.ts';
import { joined } from './message.ts';
import type { NameTable } from './names.ts';
import { trailerLines } from './trailers.ts';

/** The body of one request on its way from the client's input: counted or chunked, read once, framed anew. */
export class RequestBody {
  /** Taken to its end. */
  done: boolean;
  /** Decoded bytes so far. */
  bytes = 0;
  bytesMax: number;
  /** What the last `take` found: `input[from, to)`, valid until the input changes. */
  from = 0;
  to = 0;
  #left: number;
  readonly #decoder: ChunkedDecoder | null;

  /** `length`: -1 = chunked. */
  constructor(length: number, bytesMax: number) {
    this.done = length === 0;
    this.bytesMax = bytesMax;
    this.#left = length;
    this.#decoder = length < 0 ? new ChunkedDecoder() : null;
  }

  /** Bytes still to come; infinite where nobody knows. */
  get left(): number {
    if (this.done) return 0;
    return this.#decoder === null ? this.#left : Number.POSITIVE_INFINITY;
  }

  /** Takes what the input has of the body: 0, or a fault. The bytes stay readable in `buf` although the input is past them. */
  take(input: ClientInput): number {
    const { buf, at, end } = input;
    this.from = at;
    this.to = at;
    if (buf === null || this.done) return 0;
    if (this.#decoder === null) {
      this.to = Math.min(end, at + this.#left);
      this.#left -= this.to - at;
      this.done = this.#left === 0;
      input.consume(this.to);
    } else {
      const next = this.#decoder.decode(buf, at, end);
      if (next < 0) return next;
      this.to = this.#decoder.dataEnd;
      this.done = this.#decoder.done;
      input.consume(next);
    }
    this.bytes += this.to - this.from;
    return this.bytes > this.bytesMax ? FAULT.bodyLong : 0;
  }

  /** The next message for the upstream: `head`, then what the input has of the body. Null: nothing to send yet. Or a fault. */
  message(
    head: string,
    input: ClientInput,
    names: NameTable,
    dropped: (normalisedName: string) => boolean,
  ): string | Buffer | number | null {
    const { buf } = input;
    const fault = this.take(input);
    if (fault !== 0) return fault;
    const bytes = this.to - this.from;
    if (head === '' && bytes === 0 && !this.done) return null;
    if (this.#decoder === null) return buf === null ? head : joined(head, buf, this.from, this.to, '');
    let after = bytes > 0 ? '\r\n' : '';
    if (this.done) {
      const lines = trailerLines(this.#decoder, names, dropped);
      if (typeof lines === 'number') return lines;
      after += `0\r\n${lines}\r\n`;
    }
    const before = bytes > 0 ? `${head}${bytes.toString(16)}\r\n` : head;
    return buf === null ? before + after : joined(before, buf, this.from, this.to, after);
  }

  /** Reads on for nobody. False: malformed or too long, the connection cannot be kept. */
  discard(input: ClientInput): boolean {
    while (!this.done && input.buf !== null) if (this.take(input) !== 0) return false;
    return true;
  }
}
