import type { Address } from '@fluxgate/policy';
import type { ClientCert, RequestFacts } from '../seam.ts';
import { hashName } from './grammar.ts';
import { HeadScanner } from './head-scanner.ts';
import type { NameTable } from './names.ts';

/** Facts outlive the scanner's notes where a decision is awaited or a log line wants a header late: then the head is read anew. */
const later = new HeadScanner({ headBytes: Number.MAX_SAFE_INTEGER, fields: 10_000, targetBytes: Number.MAX_SAFE_INTEGER });

/** What is known of a client connection before it says anything. */
export interface Peer {
  readonly address: Address;
  readonly text: string;
  readonly scheme: 'http' | 'https';
  readonly vpcEndpoint: string | null;
  readonly clientCert: ClientCert | null;
  /** Its X-Forwarded-* are believed. */
  readonly trusted: boolean;
  /** Via and X-Forwarded-* lines of a peer that is not trusted. */
  readonly forwarded: string | null;
}

/** One request as plain data: what the seam promises, and below it what only the wire needs to know of the same head. */
export class Facts implements RequestFacts {
  readonly method: string;
  path = '';
  query = '';
  host = '';
  readonly peer: Address;
  client: Address;
  clientText: string;
  readonly vpcEndpoint: string | null;
  readonly clientCert: ClientCert | null;
  scheme: 'http' | 'https';
  traceId = '';
  parentSpan = '';
  upgrade: string | null = null;
  readonly arrivedMs: number;

  /** The whole head, latin1: one character per byte. */
  readonly text: string;
  readonly minor: number;
  /** Bytes of the body; -1 = chunked. */
  bodyLength = 0;
  keepAlive = true;
  expectContinue = false;
  /** Host as it goes upstream; null = the field is there and stays as it is. */
  hostLine: string | null = null;
  /** Host as the client wrote it. */
  hostText = '';
  traceFlags = '01';
  /** The client's `tracestate` belongs to the trace and goes on. */
  traceKept = false;
  acceptsTrailers = false;
  /** Lower-case names that `Connection` listed. */
  nominated: readonly string[] | null = null;
  webSocketKey: string | null = null;
  /** Asked for a protocol that is not spoken here; bytes after the answer may belong to it. */
  ignoredUpgrade = false;

  readonly #scanner: HeadScanner;
  readonly #names: NameTable;

  constructor(text: string, scanner: HeadScanner, names: NameTable, peer: Peer, arrivedMs: number) {
    this.text = text;
    this.method = text.slice(0, scanner.methodEnd);
    this.minor = scanner.minor;
    this.peer = peer.address;
    this.client = peer.address;
    this.clientText = peer.text;
    this.vpcEndpoint = peer.vpcEndpoint;
    this.clientCert = peer.clientCert;
    this.scheme = peer.scheme;
    this.arrivedMs = arrivedMs;
    this.#scanner = scanner;
    this.#names = names;
    scanner.owner = this;
  }

  /** The scanner whose notes are about this head. */
  notes(): HeadScanner {
    if (this.#scanner.owner === this) return this.#scanner;
    if (later.owner !== this) {
      later.reset();
      const bytes = Buffer.from(this.text, 'latin1');
      later.scanRequest(bytes, 0, bytes.length, this.#names);
      later.owner = this;
    }
    return later;
  }

  header(name: string): string | undefined {
    const notes = this.notes();
    const at = notes.find(this.text, name, 0);
    return at < 0 ? undefined : notes.value(this.text, at);
  }

  get rawTarget(): string {
    const from = this.method.length + 1;
    return this.text.slice(from, this.text.indexOf(' ', from));
  }

  get hasBody(): boolean {
    return this.bodyLength !== 0;
  }

  headerValues(name: string): readonly string[] {
    const notes = this.notes();
    const values: string[] = [];
    for (let at = notes.find(this.text, name, 0); at >= 0; at = notes.find(this.text, name, at + 1))
      values.push(notes.value(this.text, at));
    return values;
  }

  hasTwin(name: string): boolean {
    const notes = this.notes();
    const hash = hashName(name);
    for (let i = 0; i < notes.count; i++)
      if (notes.hash(i) === hash && !notes.isNamed(this.text, i, name) && notes.nameLength(i) === name.length) return true;
    return false;
  }

  headerCount(name: string): number {
    const notes = this.notes();
    let count = 0;
    for (let at = notes.find(this.text, name, 0); at >= 0; at = notes.find(this.text, name, at + 1)) count++;
    return count;
  }
}
