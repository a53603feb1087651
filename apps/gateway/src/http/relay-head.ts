import type { FlatHeaders } from '../seam.ts';
import { hashName } from './grammar.ts';
import type { HeadScanner } from './head-scanner.ts';
import { KIND } from './names.ts';
import type { BodyEnd, ResponseHead } from './read-response.ts';
import { linesOf, type ResponseEdges } from './response-edges.ts';

const COPIED = new Uint8Array(KIND.kinds);
for (const kind of [KIND.other, KIND.contentLength, KIND.date]) COPIED[kind] = 1;

/** How the client is told where the body ends. */
export type ClientFraming = 'none' | 'length' | 'chunked' | 'close';

export const clientFraming = (end: BodyEnd, clientMinor: number): ClientFraming => {
  if (end === 'none' || end === 'length') return end;
  return clientMinor > 0 ? 'chunked' : 'close';
};

/** One `Date` line per second for everybody. */
export class DateLine {
  #second = 0;
  #line = '';
  at(nowMs: number): string {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#line = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
    }
    return this.#line;
  }
}

export interface RelayOptions {
  readonly framing: ClientFraming;
  readonly close: boolean;
  readonly clientMinor: number;
  readonly responseSet: FlatHeaders;
  readonly edges: ResponseEdges | null;
  readonly cors: FlatHeaders;
  /** `Server-Timing` beside the upstream's own, or empty. */
  readonly timing: string;
  readonly date: string;
}

/**
 * The upstream's head on its way to the client: runs of untouched lines as slices, hop-by-hop fields gone, framing our own.
 * `text` is the head as latin1, `scanner` holds its notes.
 */
export function relayHead(
  scanner: HeadScanner,
  text: string,
  headLength: number,
  head: ResponseHead,
  options: RelayOptions,
): string {
  const { responseSet, edges, cors } = options;
  const plainStart = scanner.minor === 1 && text.charCodeAt(12) === 32;
  let out = plainStart ? '' : `HTTP/1.1 ${head.status} ${text.slice(13, Math.max(13, scanner.methodEnd))}\r\n`;
  let from = plainStart ? 0 : -1;
  const changes = responseSet.length > 0 || head.nominated !== null || edges !== null;
  for (let i = 0; i < scanner.count; i++) {
    const kind = scanner.kind(i);
    let copy = COPIED[kind] === 1;
    if (kind === KIND.contentLength)
      copy = options.framing === 'length' || (options.framing === 'none' && head.status >= 200 && head.status !== 204);
    else if (changes && copy) copy = !isReplaced(scanner.hash(i), kind, responseSet, head.nominated, edges);
    if (copy) {
      if (from < 0) from = scanner.lineStart(i);
    } else if (from >= 0) {
      out += text.slice(from, scanner.lineStart(i));
      from = -1;
    }
  }
  if (from >= 0) out += text.slice(from, headLength - 2);
  if (scanner.at[KIND.date] === 0 && head.status >= 200) out += options.date;
  if (options.framing === 'chunked') out += 'Transfer-Encoding: chunked\r\n';
  if (responseSet.length > 0) out += linesOf(responseSet);
  if (cors.length > 0) out += linesOf(cors);
  if (edges !== null) out += edges.lines;
  out += options.timing;
  if (options.close) out += 'Connection: close\r\n';
  else if (options.clientMinor === 0 && head.status >= 200) out += 'Connection: keep-alive\r\n';
  return `${out}\r\n`;
}

function isReplaced(
  hash: number,
  kind: number,
  set: FlatHeaders,
  nominated: readonly string[] | null,
  edges: ResponseEdges | null,
): boolean {
  if (edges !== null) for (const dropped of edges.drop) if (dropped === hash) return true;
  for (let i = 0; i < set.length; i += 2) if (hashName(set[i]!) === hash) return true;
  if (nominated !== null && kind === KIND.other) for (const name of nominated) if (hashName(name) === hash) return true;
  return false;
}
