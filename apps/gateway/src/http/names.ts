import { foldedName, HASH_SEED, hashName, hashStep, NAME_BYTE } from './grammar.ts';

/** What a field name means to the wire. `other` and everything from `note` on travels through; the rest is handled or dropped. */
export const KIND = {
  other: 0,
  drop: 1,
  host: 2,
  contentLength: 3,
  transferEncoding: 4,
  connection: 5,
  te: 6,
  upgrade: 7,
  expect: 8,
  forwardedFor: 9,
  forwardedProto: 10,
  forwardedHost: 11,
  traceparent: 12,
  tracestate: 13,
  trailer: 14,
  webSocketKey: 15,
  webSocketVersion: 16,
  date: 17,
  webSocketAccept: 18,
  keepAlive: 19,
  kinds: 20,
} as const;

const HOP_BY_HOP: readonly (readonly [string, number])[] = [
  ['content-length', KIND.contentLength],
  ['transfer-encoding', KIND.transferEncoding],
  ['connection', KIND.connection],
  ['upgrade', KIND.upgrade],
  ['trailer', KIND.trailer],
  ['te', KIND.te],
  ['keep-alive', KIND.keepAlive],
  ['proxy-connection', KIND.drop],
];

const REQUEST: readonly (readonly [string, number])[] = [
  ...HOP_BY_HOP,
  ['host', KIND.host],
  ['expect', KIND.expect],
  ['proxy-authorization', KIND.drop],
  ['http2-settings', KIND.drop],
  ['forwarded', KIND.drop],
  ['x-real-ip', KIND.drop],
  ['x-forwarded-port', KIND.drop],
  ['x-forwarded-server', KIND.drop],
  ['x-forwarded-prefix', KIND.drop],
  ['x-forwarded-ssl', KIND.drop],
  ['x-forwarded-scheme', KIND.drop],
  // Another target or method than the one that was judged, to back ends that believe them.
  ['x-forwarded-uri', KIND.drop],
  ['x-forwarded-path', KIND.drop],
  ['x-forwarded-method', KIND.drop],
  ['x-original-uri', KIND.drop],
  ['x-original-url', KIND.drop],
  ['x-rewrite-url', KIND.drop],
  // Judged beside the method, so they have one spelling.
  ['x-http-method-override', KIND.other],
  ['x-http-method', KIND.other],
  ['x-method-override', KIND.other],
  ['x-forwarded-for', KIND.forwardedFor],
  ['x-forwarded-proto', KIND.forwardedProto],
  ['x-forwarded-host', KIND.forwardedHost],
  ['traceparent', KIND.traceparent],
  ['tracestate', KIND.tracestate],
  ['sec-websocket-key', KIND.webSocketKey],
  ['sec-websocket-version', KIND.webSocketVersion],
];

const RESPONSE: readonly (readonly [string, number])[] = [
  ...HOP_BY_HOP,
  ['proxy-authenticate', KIND.drop],
  ['date', KIND.date],
  ['sec-websocket-accept', KIND.webSocketAccept],
];

const SLOTS = 1024;
const OWN_PREFIX = Buffer.from('x-fluxgate-', 'latin1');

function hasOwnPrefix(buf: Uint8Array, start: number, end: number): boolean {
  if (end - start < OWN_PREFIX.length) return false;
  for (let i = 0; i < OWN_PREFIX.length; i++) if (NAME_BYTE[buf[start + i]!] !== OWN_PREFIX[i]) return false;
  return true;
}

/**
 * Names that mean something, found by hash and confirmed by their bytes. A name that only differs in another mark for `-` (`_`, `.`) gets
 * the kind `drop`: somebody behind us may read it as the real one.
 */
export class NameTable {
  readonly #slots = new Int16Array(SLOTS);
  readonly #hashes: number[] = [0];
  readonly #kinds: number[] = [0];
  readonly #bytes: Uint8Array[] = [new Uint8Array(0)];

  readonly #ownPrefix: boolean;

  /** `ownPrefix`: whatever begins with `x-fluxgate-` is dropped too, known or not. */
  constructor(entries: Iterable<readonly [string, number]>, ownPrefix: boolean) {
    this.#ownPrefix = ownPrefix;
    for (const [name, kind] of entries) this.#add(foldedName(name), kind);
  }

  #add(name: string, kind: number): void {
    const hash = hashName(name);
    let slot = hash & (SLOTS - 1);
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & (SLOTS - 1)) {
      if (Buffer.from(this.#bytes[this.#slots[slot]!]!).toString('latin1') === name) return; // the wire's own meaning wins
    }
    if (this.#hashes.length > SLOTS / 2) throw new Error('more than 512 field names to be treated specially');
    this.#slots[slot] = this.#hashes.length;
    this.#hashes.push(hash);
    this.#kinds.push(kind);
    this.#bytes.push(Buffer.from(name, 'latin1'));
  }

  /** `hash` is that of the normalised bytes `buf[start, end)`. */
  kindOf(hash: number, buf: Uint8Array, start: number, end: number): number {
    for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const at = this.#slots[slot]!;
      if (at === 0) return this.#ownPrefix && hasOwnPrefix(buf, start, end) ? KIND.drop : KIND.other;
      if (this.#hashes[at] !== hash) continue;
      const bytes = this.#bytes[at]!;
      if (bytes.length !== end - start) continue;
      let same = true;
      let respelled = false;
      for (let i = 0; i < bytes.length; i++) {
        const raw = buf[start + i]!;
        if (NAME_BYTE[raw] !== bytes[i]) {
          same = false;
          break;
        }
        if (raw !== 45 && bytes[i] === 45) respelled = true;
      }
      if (same) return respelled ? KIND.drop : this.#kinds[at]!;
    }
  }

  kindOfName(name: string): number {
    const bytes = Buffer.from(name, 'latin1');
    let hash = HASH_SEED;
    for (const byte of bytes) hash = hashStep(hash, NAME_BYTE[byte]!);
    return this.kindOf(hash, bytes, 0, bytes.length);
  }
}

/** Request fields: identity headers of the plan are dropped in every spelling. */
export const requestNames = (identityHeaders: Iterable<string>): NameTable =>
  new NameTable([...REQUEST, ...[...identityHeaders].map((name) => [name, KIND.drop] as const)], true);

export const responseNames = (): NameTable => new NameTable(RESPONSE, false);
