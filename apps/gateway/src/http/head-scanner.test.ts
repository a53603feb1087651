import { expect, test } from '@jest/globals';
import { FAULT, faultOf } from './faults.ts';
import { HeadScanner } from './head-scanner.ts';
import { KIND, requestNames, responseNames } from './names.ts';

const LIMITS = { headBytes: 2048, fields: 10, targetBytes: 256 };
const names = requestNames(['x-user-id']);

const scan = (head: string): number => {
  const bytes = Buffer.from(head, 'latin1');
  return new HeadScanner(LIMITS).scanRequest(bytes, 0, bytes.length, names);
};
const line = 'GET / HTTP/1.1\r\n';

const REFUSED: readonly (readonly [string, string, number])[] = [
  ['no method', ' / HTTP/1.1\r\n\r\n', FAULT.method],
  ['a delimiter in the method', 'GE(T / HTTP/1.1\r\n\r\n', FAULT.method],
  ['two spaces after the method', 'GET  / HTTP/1.1\r\n\r\n', FAULT.targetForm],
  ['a tab after the method', 'GET\t/ HTTP/1.1\r\n\r\n', FAULT.method],
  ['a byte beyond ASCII in the target', 'GET /\xe9 HTTP/1.1\r\n\r\n', FAULT.target],
  ['no version', 'GET /\r\n\r\n', FAULT.requestLine],
  ['the next major version', 'GET / HTTP/2.0\r\n\r\n', FAULT.version],
  ['the version of 1991', 'GET / HTTP/0.9\r\n\r\n', FAULT.version],
  ['a minor version nobody wrote down', 'GET / HTTP/1.2\r\n\r\n', FAULT.version],
  ['a lower-case protocol', 'GET / http/1.1\r\n\r\n', FAULT.requestLine],
  ['two digits of minor version', 'GET / HTTP/1.10\r\n\r\n', FAULT.requestLine],
  ['a space at the end of the request line', 'GET / HTTP/1.1 \r\n\r\n', FAULT.requestLine],
  ['a request line that ends in LF', 'GET / HTTP/1.1\nHost: a\r\n\r\n', FAULT.requestLine],
  ['a field line that ends in LF', `${line}Host: a\n\r\n`, FAULT.lineEnd],
  ['a head that ends in LF', `${line}Host: a\r\n\n`, FAULT.lineEnd],
  ['a CR without LF in a value', `${line}A: b\rc\r\n\r\n`, FAULT.lineEnd],
  ['a folded line', `${line}A: b\r\n c\r\n\r\n`, FAULT.fold],
  ['white space before the first field', `${line} A: b\r\n\r\n`, FAULT.fold],
  ['a space before the colon', `${line}A : b\r\n\r\n`, FAULT.name],
  ['an empty name', `${line}: b\r\n\r\n`, FAULT.name],
  ['a line without a colon', `${line}AB\r\n\r\n`, FAULT.lineEnd],
  ['a NUL in a name', `${line}A\0: b\r\n\r\n`, FAULT.name],
  ['a NUL in a value', `${line}A: b\0\r\n\r\n`, FAULT.value],
  ['a DEL in a value', `${line}A: \x7f\r\n\r\n`, FAULT.value],
  ['a vertical tab in a value', `${line}A: \x0bb\r\n\r\n`, FAULT.value],
  ['a target beyond the limit', `GET /${'a'.repeat(256)} HTTP/1.1\r\n\r\n`, FAULT.targetLong],
  ['one field too many', `${line}${'A: b\r\n'.repeat(11)}\r\n`, FAULT.fieldsMany],
  ['a head beyond the limit', `${line}A: ${'b'.repeat(2048)}\r\n\r\n`, FAULT.headLong],
];

test.each(REFUSED)('a head with %s is refused', (_what, head, fault) => {
  const answer = scan(head);
  expect(answer < 0 ? faultOf(answer).because : answer).toBe(faultOf(fault).because);
});

test('a fault shows as soon as its byte is there, not when the head is whole', () => {
  for (const [, head, fault] of REFUSED) {
    let answer = 0;
    for (let end = 1; end <= head.length && answer === 0; end++) answer = scan(head.slice(0, end));
    expect(answer).toBe(fault);
  }
});

test('a head that comes byte by byte means what it means in one piece', () => {
  const head = `${line}Host: example.test\r\nAccept: */*\r\nX-Empty:\r\nX-Pad: \t a b \t\r\nContent-Length: 3\r\n\r\n`;
  const bytes = Buffer.from(`junk${head}abc`, 'latin1');
  const scanner = new HeadScanner(LIMITS);
  for (let end = 5; end < 4 + head.length; end++) expect(scanner.scanRequest(bytes, 4, end, names)).toBe(0);
  expect(scanner.scanRequest(bytes, 4, bytes.length, names)).toBe(head.length);
  expect(scanner.count).toBe(5);
  expect(scanner.value(head, scanner.find(head, 'x-pad', 0))).toBe('a b');
  expect(scanner.value(head, scanner.find(head, 'x-empty', 0))).toBe('');
  expect(scanner.at[KIND.contentLength]).toBe(5);
});

test('names are found in any case, and a spelling with _ is another name', () => {
  const head = `${line}X-ApI-Key: 1\r\nx_api_key: 2\r\nx-api-key: 3\r\n\r\n`;
  const bytes = Buffer.from(head, 'latin1');
  const scanner = new HeadScanner(LIMITS);
  scanner.scanRequest(bytes, 0, bytes.length, names);
  expect(scanner.find(head, 'x-api-key', 0)).toBe(0);
  expect(scanner.find(head, 'x-api-key', 1)).toBe(2);
  expect(scanner.find(head, 'x-api-key', 3)).toBe(-1);
});

test.each([
  'X-User-Id',
  'x_user_id',
  'X-USER_ID',
  'X-FluxGate-Anything',
  'x_fluxgate_principal',
  'Transfer_Encoding',
  'content_length',
  'X_Forwarded-For',
])('%s from a client is dropped', (name) => {
  expect(names.kindOfName(name)).toBe(KIND.drop);
});

test.each(['X-User', 'X-User-Ids', 'X-FluxGat', 'X_Request_Id', 'Cookie'])('%s travels on', (name) => {
  expect(names.kindOfName(name)).toBe(KIND.other);
});

const RESPONSES: readonly (readonly [string, number | 'ok'])[] = [
  ['HTTP/1.1 200 OK\r\n\r\n', 'ok'],
  ['HTTP/1.1 200 \r\n\r\n', 'ok'],
  ['HTTP/1.1 200\r\n\r\n', 'ok'],
  ['HTTP/1.0 200 OK\r\n\r\n', 'ok'],
  ['HTTP/1.1 500 d\xe9faut\r\n\r\n', 'ok'],
  ['HTTP/2 200 OK\r\n\r\n', FAULT.statusLine],
  ['SPDY/1.1 200 OK\r\n\r\n', FAULT.statusLine],
  ['HTTP/1.1  200 OK\r\n\r\n', FAULT.statusLine],
  ['HTTP/1.1 20 OK\r\n\r\n', FAULT.statusLine],
  ['HTTP/1.1 2000 OK\r\n\r\n', FAULT.statusLine],
  ['HTTP/1.1 099 OK\r\n\r\n', FAULT.statusLine],
  ['HTTP/1.1 200 O\0K\r\n\r\n', FAULT.statusLine],
  ['HTTP/1.1 200 OK\n\n', FAULT.statusLine],
  ['HTTP/1.1 200 OK\r\nA : b\r\n\r\n', FAULT.name],
];

test.each(RESPONSES)('the status line of %j is judged', (head, want) => {
  const bytes = Buffer.from(head, 'latin1');
  const answer = new HeadScanner(LIMITS).scanResponse(bytes, 0, bytes.length, responseNames());
  expect(answer).toBe(want === 'ok' ? head.length : want);
});
