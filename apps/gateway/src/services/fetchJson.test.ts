import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { addressKind, isLoopbackHost, mayReach, PUBLIC_ONLY } from './addressRules.ts';
import { FETCH_LIMITS, fetchJson, type Resolve } from './fetchJson.ts';
import { json, type LyingIssuer, startIssuer, status } from './lyingIssuer.ts';

let issuer: LyingIssuer;
beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(() => issuer.close());

/** Every name leads to loopback, as a hostile name server would have it. */
const toLoopback: Resolve = async () => [{ address: '127.0.0.1', family: 4 }];
const limits = { ...FETCH_LIMITS, totalMs: 400 };
const why = async (url = `${issuer.url}/jwks`, resolve = toLoopback): Promise<string> => {
  const fetched = await fetchJson(url, null, resolve, limits);
  return fetched.ok ? 'ok' : fetched.why;
};

test('JSON is taken whatever its media type says', async () => {
  for (const type of ['application/json', 'text/plain', 'application/jwk-set+json', 'application/octet-stream']) {
    issuer.answer = json({ keys: [] }, { 'content-type': type });
    expect([type, await why()]).toEqual([type, 'ok']);
  }
});

test('HTML, garbage, half an answer, compression and wrong statuses are refused by name', async () => {
  issuer.answer = json('<!doctype html><title>login</title>', { 'content-type': 'text/html' });
  expect(await why()).toBe('HTML instead of JSON');
  issuer.answer = json('\n <html>');
  expect(await why()).toBe('HTML instead of JSON');
  issuer.answer = json({ keys: [] }, { 'content-type': 'text/html; charset=utf-8' });
  expect(await why()).toBe('HTML instead of JSON');
  issuer.answer = json('{"keys":[');
  expect(await why()).toBe('not JSON');
  issuer.answer = (_request, response) => response.end(Buffer.from([0x22, 0xff, 0xfe, 0x22]));
  expect(await why()).toBe('not JSON');
  issuer.answer = json('x', { 'content-encoding': 'gzip' });
  expect(await why()).toContain('compressed');
  for (const code of [201, 204, 304, 401, 404, 500, 503]) {
    issuer.answer = status(code);
    expect(await why()).toBe(`HTTP status ${code}`);
  }
  issuer.answer = (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"keys":');
    setTimeout(() => response.destroy(), 20);
  };
  expect(await why()).toMatch(/cut off|ECONNRESET|aborted/);
});

test('10 MB are not read, whether they are announced or not', async () => {
  const huge = JSON.stringify({ keys: ['x'.repeat(10 * 1024 * 1024)] });
  issuer.answer = json(huge, { 'content-length': String(huge.length) });
  expect(await why()).toBe('larger than 262144 bytes');
  let sent = 0;
  issuer.answer = (_request, response) => {
    const more = (): void => {
      sent += 65_536;
      if (sent < 10 * 1024 * 1024 && !response.destroyed && response.write(Buffer.alloc(65_536, 0x20))) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  };
  expect(await why()).toBe('larger than 262144 bytes');
});

test('a slow issuer costs the time limit and no more, at whatever step it stops', async () => {
  for (const answer of [
    () => {},
    (_request: unknown, response: { write(text: string): void }) => response.write(' '),
  ] as LyingIssuer['answer'][]) {
    issuer.answer = answer;
    const startedMs = performance.now();
    expect(await why()).toBe('no whole answer within 400 ms');
    expect(performance.now() - startedMs).toBeLessThan(2000);
  }
  expect(await why('https://issuer.example/jwks', () => new Promise(() => {}))).toBe('no whole answer within 400 ms');
});

test('redirects: three of them, never to another scheme or into the network, never in circles', async () => {
  issuer.answer = (request, response) => {
    if (request.url === '/3') return json({ keys: [] })(request, response);
    status(302, { location: `/${Number(request.url?.slice(1)) + 1}` })(request, response);
  };
  expect(await why(`${issuer.url}/0`)).toBe('ok');
  expect(await why(`${issuer.url}/-1`)).toBe('too many redirects');
  for (const [location, told] of [
    ['ftp://127.0.0.1/x', /not an http/],
    ['file:///etc/passwd', /not an http/],
    ['http://issuer.example/jwks', /plain http to another machine/],
    ['http://169.254.169.254/latest/meta-data', /plain http to another machine/],
    ['https://169.254.169.254/latest/meta-data', /not fetched from/],
    ['https://user:password@issuer.example/', /credentials/],
    ['http://[', /not a URL/],
  ] as const) {
    issuer.answer = status(302, { location });
    expect([location, await why()]).toEqual([location, expect.stringMatching(told)]);
  }
});

test('what a public issuer names must be public: neither this machine nor its network, however the name is written', async () => {
  for (const url of [
    'https://127.0.0.1/x',
    'https://[::1]/x',
    'https://10.0.0.1/x',
    'https://[fd00::1]/x',
    'https://localhost/x',
    'https://0x7f.1/x',
    'https://[::ffff:127.0.0.1]/x',
  ]) {
    const fetched = await fetchJson(url, PUBLIC_ONLY, toLoopback, limits);
    expect([url, fetched.ok ? 'ok' : fetched.why]).toEqual([url, expect.stringContaining('not fetched from')]);
  }
  const rebound = await fetchJson('https://issuer.example/x', PUBLIC_ONLY, toLoopback, limits);
  expect(rebound.ok ? 'ok' : rebound.why).toContain('not fetched from');
  // A configured name that secretly leads to this machine is no exception; one that says so is.
  expect(await why(`http://issuer.example:${new URL(issuer.url).port}/jwks`)).toContain('not fetched from');
  issuer.answer = json({ keys: [] });
  expect(await why(`http://localhost:${new URL(issuer.url).port}/jwks`)).toBe('ok');
});

test('plain http to another machine stays at the origin that an operator wrote', async () => {
  const inCluster: Resolve = async () => [{ address: '10.1.2.3', family: 4 }];
  const from = { private: true, loopback: false, plainOrigin: 'http://keycloak:8080' };
  const told = async (url: string): Promise<string> => {
    const fetched = await fetchJson(url, from, inCluster, { ...limits, totalMs: 150 });
    return fetched.ok ? 'ok' : fetched.why;
  };
  expect(await told('http://keycloak:8080/realms/a/certs')).not.toContain('plain http');
  expect(await told('http://keycloak:8081/realms/a/certs')).toBe('plain http to another machine');
  expect(await told('http://other:8080/realms/a/certs')).toBe('plain http to another machine');
});

test('addresses are sorted into public, private, loopback and never', () => {
  const kinds = {
    public: ['8.8.8.8', '2606:4700::1111', '64:ff9b::808:808', '172.15.0.1'],
    private: ['10.1.2.3', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd12::1', '64:ff9b::a00:1'],
    loopback: ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'],
    forbidden: [
      '169.254.169.254',
      'fe80::1',
      'fe80::1%eth0',
      '0.0.0.0',
      '::',
      '224.0.0.1',
      'ff02::1',
      'fd00:ec2::254',
      '100.100.100.200',
      '::ffff:169.254.169.254',
      'x',
    ],
  };
  for (const [kind, list] of Object.entries(kinds)) for (const one of list) expect([one, addressKind(one)]).toEqual([one, kind]);
  expect(mayReach('private', PUBLIC_ONLY)).toBe(false);
  expect(['localhost', 'a.localhost', '127.0.0.1', '[::1]', 'localhost.evil.example'].map(isLoopbackHost)).toEqual([
    true,
    true,
    true,
    true,
    false,
  ]);
});
