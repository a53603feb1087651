/** W3C Trace Context level 1, and the random-trace-id flag of level 2. */

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

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Flags that have a meaning; the others must be sent as zero (§3.2.2.5.2). */
const FLAGS_KNOWN = 0x03;
const FLAGS = ['00', '01', '02', '03'] as const;

export interface TraceParent {
  readonly traceId: string;
  readonly parentSpan: string;
  /** Two digits, as they go on to the upstream. */
  readonly flags: string;
}

/** What a valid `traceparent` says, else null. Version 00 has nothing after the flags; later versions are read as 00 (§3.2.4). */
export function readTraceparent(value: string): TraceParent | null {
  const match = TRACEPARENT.exec(value);
  if (match === null || (match[1] === '00' && match[5] !== undefined)) return null;
  return { traceId: match[2]!, parentSpan: match[3]!, flags: FLAGS[Number.parseInt(match[4]!, 16) & FLAGS_KNOWN]! };
}

const MEMBERS_MAX = 32;
const STATE_CHARS_MAX = 8192;
/** §3.3.1.3: simple or multi-tenant key, `=`, printable ASCII without comma and equals sign, not ending in a space. */
const MEMBER =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Whether a `tracestate` (its fields joined by commas) may be passed on; one that nobody can read is left out, the trace goes on. */
export function isTracestate(value: string): boolean {
  if (value.length > STATE_CHARS_MAX) return false;
  const members = value.split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''));
  return members.length <= MEMBERS_MAX && members.every((member) => member === '' || MEMBER.test(member));
}

/**
 * How many of the traces that begin here are sampled: a limit on the last 32 bits of the id (random by level 2), so that every
 * node with the same ratio decides alike. `ratio` from 0 to 1.
 */
export const sampleLimit = (ratio: number): number => Math.round(Math.min(1, Math.max(0, ratio)) * 2 ** 32);

export const isSampled = (traceId: string, limit: number): boolean =>
  limit >= 2 ** 32 || (limit > 0 && Number.parseInt(traceId.slice(24), 16) < limit);
