import { FAULT } from './faults.ts';
import { parseLength, tokenList } from './grammar.ts';
import type { HeadScanner } from './head-scanner.ts';
import { KIND } from './names.ts';

/** How the body of a response ends. */
export type BodyEnd = 'none' | 'length' | 'chunked' | 'close';

export interface ResponseHead {
  readonly status: number;
  readonly end: BodyEnd;
  /** Bytes of the body when `end` is length; what Content-Length said otherwise, -1 if it said nothing. */
  readonly length: number;
  /** The upstream keeps the connection. */
  readonly keepAlive: boolean;
  readonly nominated: readonly string[] | null;
}

/** What `Keep-Alive: timeout=N` promises, less a second for the race; 0 = nothing. */
export function keepAliveMs(scanner: HeadScanner, text: string): number {
  if (scanner.at[KIND.keepAlive] === 0) return 0;
  const found = /(?:^|[,; ])timeout=([0-9]{1,6})/i.exec(scanner.value(text, scanner.at[KIND.keepAlive]! - 1));
  return found === null ? 0 : Math.max(Number(found[1]) * 1000 - 1000, 500);
}

/** RFC 9112 §6.3 for responses, strictly: an answer that two readers could cut differently is none. Or a fault. */
export function readResponse(scanner: HeadScanner, text: string, method: string): ResponseHead | number {
  const { status } = scanner;
  let keepAlive = scanner.minor > 0;
  let nominated: readonly string[] | null = null;
  if (scanner.at[KIND.connection] !== 0) {
    const value = connectionValue(scanner, text);
    if (value === 'keep-alive') keepAlive = true;
    else if (value === 'close') keepAlive = false;
    else {
      const tokens = tokenList(value);
      if (tokens === null || tokens.length > 32) return FAULT.connection;
      if (tokens.includes('close')) keepAlive = false;
      else if (tokens.includes('keep-alive')) keepAlive = true;
      nominated = tokens;
    }
  }
  const codings = scanner.seen[KIND.transferEncoding]!;
  const lengths = scanner.seen[KIND.contentLength]!;
  if (codings > 0 && lengths > 0) return FAULT.bothLengths;
  if (lengths > 1) return FAULT.lengthDoubled;
  let length = -1;
  if (lengths === 1) {
    length = parseLength(scanner.value(text, scanner.at[KIND.contentLength]! - 1));
    if (length < 0) return FAULT.lengthInvalid;
  }
  if (codings > 0) {
    if (codings > 1 || scanner.minor === 0) return FAULT.codingInvalid;
    if (scanner.value(text, scanner.at[KIND.transferEncoding]! - 1).toLowerCase() !== 'chunked') return FAULT.codingInvalid;
  }
  let end: BodyEnd = 'close';
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') end = 'none';
  else if (codings > 0) end = 'chunked';
  else if (lengths > 0) end = 'length';
  if (end === 'close') keepAlive = false;
  return { status, end, length, keepAlive, nominated };
}

function connectionValue(scanner: HeadScanner, text: string): string {
  if (scanner.seen[KIND.connection] === 1) return scanner.value(text, scanner.at[KIND.connection]! - 1).toLowerCase();
  const values: string[] = [];
  for (let i = scanner.find(text, 'connection', 0); i >= 0; i = scanner.find(text, 'connection', i + 1))
    values.push(scanner.value(text, i));
  return values.join(',').toLowerCase();
}
