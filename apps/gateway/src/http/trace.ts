/** W3C Trace Context level 1. */

const POOL_BYTES = 8192;

/**
 * Random hexadecimal ids cut from a pool that is refilled in one go: asking the kernel per request costs more than parsing it.
 * `fill` must be cryptographically strong; ids are told to clients.
 */
export class TracePool {
  readonly #fill: (target: Buffer) => void;
  readonly #bytes = Buffer.allocUnsafeSlow(POOL_BYTES);
  #hex = '';
  #next = 0;

  constructor(fill: (target: Buffer) => void) {
    this.#fill = fill;
  }

  #cut(digits: number): string {
    if (this.#next + digits > this.#hex.length) {
      this.#fill(this.#bytes);
      this.#hex = this.#bytes.toString('hex');
      this.#next = 0;
    }
    const id = this.#hex.slice(this.#next, this.#next + digits);
    this.#next += digits;
    return id;
  }

  /** 32 hexadecimal digits. */
  traceId(): string {
    return this.#cut(32);
  }
  /** 16 hexadecimal digits. */
  spanId(): string {
    return this.#cut(16);
  }
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

/** The trace id and flags of a valid `traceparent`, else null. Version 00 has nothing after the flags. */
export function readTraceparent(value: string): { readonly traceId: string; readonly flags: string } | null {
  const match = TRACEPARENT.exec(value);
  if (match === null || (match[1] === '00' && match[4] !== undefined)) return null;
  return { traceId: match[2]!, flags: match[3]! };
}
