import type { RefusalCode } from '@fluxgate/policy';

/** What may be wrong with a message. Parsers answer `-(index + 1)`; `because` goes to the log only. */
export interface WireFault {
  readonly code: RefusalCode;
  readonly because: string;
}

const list = [
  ['method', 'bad_request', 'the method is not a token'],
  ['target', 'bad_target', 'a byte of the request target is not visible ASCII'],
  ['targetForm', 'bad_target', 'the request target has none of the forms of RFC 9112 §3.2'],
  ['targetLong', 'target_too_long', 'the request target exceeds the limit'],
  ['version', 'bad_version', 'only HTTP/1.0 and HTTP/1.1 are spoken here'],
  ['requestLine', 'bad_request', 'the request line does not end in HTTP/1.x CRLF'],
  ['lineEnd', 'bad_request', 'a line does not end in CRLF'],
  ['fold', 'bad_request', 'a field line begins with white space (obs-fold)'],
  ['name', 'bad_request', 'a field name is empty or not a token'],
  ['value', 'bad_request', 'a control byte in a field value'],
  ['headLong', 'header_too_large', 'the head exceeds the limit of bytes'],
  ['fieldsMany', 'header_too_large', 'too many fields'],
  ['hostMissing', 'missing_host', 'no Host field'],
  ['hostDoubled', 'bad_request', 'more than one Host field'],
  ['hostInvalid', 'bad_request', 'Host is not a host with an optional port'],
  ['hostMismatch', 'bad_request', 'Host differs from the authority of the target'],
  ['bothLengths', 'bad_request', 'Content-Length and Transfer-Encoding together'],
  ['lengthDoubled', 'bad_request', 'more than one Content-Length'],
  ['lengthInvalid', 'bad_request', 'Content-Length is not a plain decimal number'],
  ['codingInvalid', 'bad_request', 'Transfer-Encoding is not one well-formed list ending in chunked'],
  ['codingUnknown', 'unknown_transfer_coding', 'a transfer coding other than chunked'],
  ['codingOld', 'bad_request', 'Transfer-Encoding in an HTTP/1.0 message'],
  ['connection', 'bad_request', 'Connection is not a list of tokens'],
  ['connect', 'bad_request', 'CONNECT: this is no forward proxy'],
  ['expect', 'expectation_failed', 'an expectation other than 100-continue'],
  ['upgrade', 'bad_request', 'not a WebSocket handshake of RFC 6455 §4.1'],
  ['bodyLong', 'body_too_large', 'the body exceeds the limit'],
  ['chunkSize', 'bad_request', 'a chunk size is malformed or too large'],
  ['chunkExtension', 'bad_request', 'a chunk extension is malformed or too long'],
  ['chunkEnd', 'bad_request', 'a chunk does not end in CRLF where its size says'],
  ['trailer', 'bad_request', 'the trailer section is malformed or too large'],
  ['statusLine', 'upstream_bad_response', 'the status line is malformed'],
  ['switching', 'upstream_bad_response', '101 without a matching upgrade request'],
  ['noContentBytes', 'upstream_bad_response', 'bytes follow an answer that can have no content'],
] as const satisfies readonly (readonly [string, RefusalCode, string])[];

type FaultName = (typeof list)[number][0];

export const WIRE_FAULTS: readonly WireFault[] = list.map(([, code, because]) => ({ code, because }));

/** Negative numbers, so that a parser's answer is either progress or one of these. */
export const FAULT = Object.fromEntries(list.map(([name], index) => [name, -(index + 1)])) as Readonly<Record<FaultName, number>>;

export const faultOf = (answer: number): WireFault => WIRE_FAULTS[-answer - 1]!;
