import { createHash, createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';
import {
  canonicalAuthority,
  composeSignature,
  contentDigestField,
  formatSigningSecret,
  type Middleware,
  type SignatureOrder,
} from '@fluxgate/policy';
import { signingSecret } from '@fluxgate/protocol/sync';
import { expect, test } from '@jest/globals';
import { type Ask, apiKey, forwarded, headerOf, NOW_MS, PEPPER, route, seen, type TestKey, testKey, world } from './fakes.ts';

const NOW_S = NOW_MS / 1000;
const signed = (covers: readonly string[] = [], maxAgeMs = 300_000, scopes: readonly string[] = []): Middleware => ({
  kind: 'api_key',
  scopes,
  queryParameter: null,
  signature: { maxAgeMs, covers },
});
const ROUTES = [route('/closed', [signed()]), route('/open', [], { auth: 'none' })];
const KEY = testKey('signer');
const BODY = '{"hello":"world"}';
const COVERS = ['@method', '@authority', '@path', '@query'];
let nonces = 0;

interface Over extends Partial<Omit<SignatureOrder, 'kid' | 'algorithm'>> {
  readonly kid?: string;
  readonly algorithm?: SignatureOrder['algorithm'];
  readonly signer?: (base: Buffer) => Buffer;
}

const secretOf = (key: TestKey): string =>
  formatSigningSecret('live', key.kid, signingSecret(PEPPER, key.kid, key.record.digest));

/** `ask` with the fields of its signature. */
function sign(key: TestKey, ask: Ask = {}, over: Over = {}): Ask {
  const method = ask.method ?? 'GET';
  const path = ask.path ?? '/closed';
  const query = ask.query ?? '';
  const given = [...(ask.headers ?? [])];
  if (ask.hasBody === true && !given.some(([name]) => name.toLowerCase() === 'content-digest'))
    given.push(['Content-Digest', contentDigestField(createHash('sha256').update(BODY).digest())]);
  const composed = composeSignature(
    {
      method,
      scheme: 'http',
      authority: canonicalAuthority(ask.hostText ?? ask.host ?? 'gateway.test', 'http'),
      target: query === '' ? path : `${path}?${query}`,
      path,
      query,
      hasBody: ask.hasBody ?? false,
      fieldValues: (name) => given.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value),
    },
    {
      kid: over.kid ?? key.kid,
      algorithm: over.algorithm ?? 'hmac-sha256',
      covers: over.covers ?? [...COVERS, ...(ask.hasBody ? ['content-digest'] : [])],
      createdS: over.createdS ?? NOW_S,
      expiresS: over.expiresS ?? null,
      nonce: over.nonce ?? `nonce-${nonces++}`,
    },
  );
  if (!composed.ok) throw new Error(composed.why);
  const base = Buffer.from(composed.value.base, 'latin1');
  const octets = over.signer?.(base) ?? createHmac('sha256', secretOf(key)).update(base).digest();
  return {
    ...ask,
    headers: [...given, ['Signature-Input', composed.value.input], ['Signature', composed.value.signatureField(octets)]],
  };
}

const world1 = (over: Parameters<typeof world>[0] = {}) =>
  world({ routes: ROUTES, keys: [KEY], grant: { signing: { algorithm: 'hmac-sha256' } }, ...over });

test('a signed request needs no key beside it, and its upstream is told whose it is', () => {
  const w = world1();
  const decision = forwarded(w.ask(null, sign(KEY)));
  expect(headerOf(decision.set, 'X-FluxGate-Key-Name') ?? decision.principal).toBe('signer');
  expect(decision.held).toBeUndefined();
});

test('a request without a signature is told what to sign, whether or not it shows a good key', () => {
  const w = world1();
  for (const key of [null, KEY]) {
    const decision = w.ask(key, { hasBody: true, method: 'POST' });
    expect(seen(decision)).toBe('401 signature_missing');
    if (decision.kind !== 'answer') throw new Error('forwarded');
    expect(headerOf(decision.headers, 'Accept-Signature')).toBe(
      'sig=("@method" "@authority" "@path" "@query" "content-digest");created;tag="fluxgate"',
    );
    expect(headerOf(decision.headers, 'WWW-Authenticate')).toMatch(/^Signature realm="live"/);
    expect(JSON.parse(decision.body)).toMatchObject({ error: 'signature_missing' });
  }
});

test('the same request never passes twice, and a refused one uses no nonce up', () => {
  const w = world1();
  const ask = sign(KEY, {}, { nonce: 'once' });
  KEY.record.state = 3;
  expect(seen(w.ask(null, ask))).toBe('401 key_suspended');
  KEY.record.state = 0;
  expect(seen(w.ask(null, ask))).toBe('forward');
  expect(seen(w.ask(null, ask))).toBe('401 signature_replayed');
  expect(seen(w.ask(null, sign(KEY, {}, { nonce: 'once', createdS: NOW_S - 1 })))).toBe('401 signature_replayed');
});

const covered: Ask = {
  method: 'POST',
  path: '/closed/a',
  query: 'x=1',
  hasBody: true,
  headers: [['Content-Type', 'application/json']],
};
const tampered: readonly (readonly [string, (ask: Ask) => Ask])[] = [
  ['the method', (ask) => ({ ...ask, method: 'PUT' })],
  ['the path', (ask) => ({ ...ask, path: '/closed/b' })],
  ['the query', (ask) => ({ ...ask, query: 'x=2' })],
  ['a query that is gone', (ask) => ({ ...ask, query: '' })],
  ['the host', (ask) => ({ ...ask, host: 'other.test', hostText: 'other.test' })],
  ['the port', (ask) => ({ ...ask, hostText: 'gateway.test:8080' })],
  ['a field', (ask) => changed(ask, 'content-type', () => 'text/plain')],
  ['the digest', (ask) => changed(ask, 'content-digest', () => contentDigestField(createHash('sha256').update('x').digest()))],
  ['created', (ask) => changed(ask, 'signature-input', (value) => value.replace(`created=${NOW_S}`, `created=${NOW_S - 1}`))],
  ['the nonce', (ask) => changed(ask, 'signature-input', (value) => value.replace(/nonce="[^"]*"/, 'nonce="another"'))],
  ['a component less', (ask) => changed(ask, 'signature-input', (value) => value.replace(' "content-type"', ''))],
  [
    'the order of components',
    (ask) => changed(ask, 'signature-input', (value) => value.replace('"@method" "@authority"', '"@authority" "@method"')),
  ],
  ['the signature', (ask) => changed(ask, 'signature', (value) => value.replace(/:./, (two) => (two === ':A' ? ':B' : ':A')))],
];
function changed(ask: Ask, name: string, to: (value: string) => string): Ask {
  return {
    ...ask,
    headers: (ask.headers ?? []).map(([field, value]) => [field, field.toLowerCase() === name ? to(value) : value] as const),
  };
}

test.each(tampered)('tampering with %s is refused', (_what, tamper) => {
  const w = world1();
  const good = sign(KEY, covered, { covers: [...COVERS, 'content-digest', 'content-type'] });
  expect(seen(w.ask(null, tamper(good)))).toBe('401 signature_invalid');
  expect(seen(w.ask(null, good))).toBe('forward');
});

test('what is signed must be enough: method, target, body, and what the route asks besides', () => {
  const w = world1({ routes: [route('/closed', [signed(['content-type'])])] });
  const all = [...COVERS, 'content-digest', 'content-type'];
  for (const left of all) {
    const decision = w.ask(null, sign(KEY, covered, { covers: all.filter((name) => name !== left) }));
    expect([left, seen(decision)]).toEqual([left, '401 signature_invalid']);
    if (decision.kind === 'answer') expect(decision.because).toContain(`${left} is not covered`);
  }
  for (const covers of [
    ['@target-uri', '@method', 'content-digest', 'content-type'],
    ['@authority', '@request-target', '@method', 'content-digest', 'content-type'],
  ])
    expect(seen(w.ask(null, sign(KEY, covered, { covers })))).toBe('forward');
});

test.each([
  [-361, null, '401 signature_invalid'],
  [-359, null, 'forward'],
  [59, null, 'forward'],
  [61, null, '401 signature_invalid'],
  [-10, 5, 'forward'],
  [-10, 0, '401 signature_invalid'],
])('created %i s from now, expires %p s from now: %s', (created, expires, verdict) => {
  const ask = sign(KEY, {}, { createdS: NOW_S + created, expiresS: expires === null ? null : NOW_S + expires });
  expect(seen(world1().ask(null, ask))).toBe(verdict);
});

const parameters: readonly (readonly [string, (input: string) => string, string])[] = [
  ['no nonce', (input) => input.replace(/;nonce="[^"]*"/, ''), '401 signature_invalid'],
  ['an empty nonce', (input) => input.replace(/;nonce="[^"]*"/, ';nonce=""'), '401 signature_invalid'],
  ['no created', (input) => input.replace(/;created=\d+/, ''), '401 signature_invalid'],
  ['created as text', (input) => input.replace(/;created=(\d+)/, ';created="$1"'), '401 signature_invalid'],
  ['no alg', (input) => input.replace(/;alg="[^"]*"/, ''), '401 signature_invalid'],
  ['another alg', (input) => input.replace(/;alg="[^"]*"/, ';alg="rsa-v1_5-sha256"'), '401 signature_invalid'],
  ['the other alg', (input) => input.replace(/;alg="[^"]*"/, ';alg="ed25519"'), '401 signature_invalid'],
  ['a keyid that is nobody', (input) => input.replace(/;keyid="[^"]*"/, ';keyid="000000000000"'), '401 signature_invalid'],
  ['another label than the signature', (input) => input.replace(/^sig=/, 'gis='), '400 bad_request'],
  ['no structured field', (input) => `${input};;`, '400 bad_request'],
  ['no inner list', () => 'sig=1', '400 bad_request'],
  ['two for this gateway', (input) => `${input}, two=${input.slice(4)}`, '400 bad_request'],
];
test.each(parameters)('%s', (_what, change, verdict) => {
  expect(seen(world1().ask(null, changed(sign(KEY), 'signature-input', change)))).toBe(verdict);
});

test('a signature for somebody else beside ours is passed over', () => {
  const w = world1();
  const ask = sign(KEY);
  const both = changed(
    changed(ask, 'signature-input', (value) => `proxy=("@method");keyid="p1", ${value}`),
    'signature',
    (value) => `proxy=:AAAA:, ${value}`,
  );
  expect(seen(w.ask(null, both))).toBe('forward');
  const other = changed(both, 'signature-input', () => 'proxy=("@method");keyid="p1"');
  expect(seen(w.ask(null, other))).toBe('401 signature_missing');
});

test('a path in another spelling than the canonical one is refused, however well it is signed', () => {
  const w = world1();
  for (const rawTarget of ['/closed/../closed', '/%63losed', 'http://gateway.test/closed'])
    expect([rawTarget, seen(w.ask(null, { ...sign(KEY), rawTarget }))]).toEqual([rawTarget, '400 bad_target']);
});

test('a key beside the signature must be the same one', () => {
  const other = testKey('other');
  const w = world1({ keys: [KEY, other] });
  expect(seen(w.ask(KEY, sign(KEY)))).toBe('forward');
  expect(seen(w.ask(other, sign(KEY)))).toBe('400 doubled_credential');
  const forged = { ...KEY, text: testKey('x').text };
  expect(seen(w.ask(forged, sign(KEY)))).toBe('400 doubled_credential');
});

test('only the owner of a key learns what became of it', () => {
  const w = world1();
  KEY.record.state = 2;
  expect(seen(w.ask(null, sign(KEY)))).toBe('401 key_revoked');
  expect(
    seen(
      w.ask(
        null,
        changed(sign(KEY), 'signature', () => `sig=:${Buffer.alloc(32).toString('base64')}:`),
      ),
    ),
  ).toBe('401 signature_invalid');
  KEY.record.state = 0;
});

test('a registered public key is the only thing its credential signs with', () => {
  const pair = generateKeyPairSync('ed25519');
  const { x = '' } = pair.publicKey.export({ format: 'jwk' });
  const w = world1({ grant: { signing: { algorithm: 'ed25519', publicKey: x } } });
  const signer = (base: Buffer): Buffer => signWith(null, base, pair.privateKey);
  expect(seen(w.ask(null, sign(KEY, {}, { algorithm: 'ed25519', signer })))).toBe('forward');
  expect(seen(w.ask(null, sign(KEY)))).toBe('401 signature_invalid');
  const another = generateKeyPairSync('ed25519').privateKey;
  const forged = sign(KEY, {}, { algorithm: 'ed25519', signer: (base) => signWith(null, base, another) });
  expect(seen(w.ask(null, forged))).toBe('401 signature_invalid');
  expect(seen(world1({ grant: { signing: { algorithm: 'ed25519', publicKey: 'short' } } }).ask(null, sign(KEY)))).toBe(
    '503 validation_unavailable',
  );
  expect(seen(world1({ grant: {} }).ask(null, sign(KEY)))).toBe('401 signature_invalid');
});

test('a field that a route wants covered may be missing, but not be added', () => {
  const w = world1({ routes: [route('/closed', [signed(['content-type', 'x-http-method-override'])])] });
  expect(seen(w.ask(null, sign(KEY)))).toBe('forward');
  const ask = sign(KEY);
  const added: Ask = { ...ask, headers: [...(ask.headers ?? []), ['X-HTTP-Method-Override', 'DELETE']] };
  expect(seen(w.ask(null, added))).toBe('401 signature_invalid');
  const covering = sign(KEY, { headers: [['Content-Type', 'a/b']] }, { covers: [...COVERS, 'content-type'] });
  expect(seen(w.ask(null, { ...covering, headers: covering.headers?.slice(1) ?? [] }))).toBe('401 signature_invalid');
  expect(seen(w.ask(null, covering))).toBe('forward');
});

test.each([
  ['Connection', 'close, X-Amount', 'takes the covered x-amount away'],
  ['X_Amount', '99', 'may be read as the covered x-amount'],
  ['x-amount', '99', 'not that of the key'],
])('a covered field cannot be changed on its way to the upstream by %s: %s', (name, value, why) => {
  const w = world1();
  const ask = sign(KEY, { headers: [['X-Amount', '1']] }, { covers: [...COVERS, 'x-amount'] });
  const decision = w.ask(null, { ...ask, headers: [...(ask.headers ?? []), [name, value]] });
  expect(seen(decision)).toBe('401 signature_invalid');
  if (decision.kind === 'answer') expect(decision.because).toContain(why);
  expect(seen(w.ask(null, ask))).toBe('forward');
});

test('scopes, networks and rates hold for signed requests as for others', () => {
  const w = world1({ routes: [route('/closed', [signed([], 300_000, ['write:metrics'])])] });
  expect(seen(w.ask(null, sign(KEY)))).toBe('403 insufficient_scope');
});

test('beside a token a signature is an alternative, and a bad one is refused', () => {
  const w = world1({ routes: [route('/closed', [{ kind: 'any_of', of: [signed(), apiKey(['read:metrics'])] }])] });
  expect(seen(w.ask(null, sign(KEY)))).toBe('forward');
  expect(seen(w.ask(KEY, {}))).toBe('forward');
  expect(seen(w.ask(null, {}))).toBe('401 signature_missing');
  const ask = sign(KEY);
  expect([seen(w.ask(KEY, ask)), seen(w.ask(null, ask))]).toEqual(['forward', '401 signature_replayed']);
});

test('what cannot be judged is an outage, never a pass', () => {
  expect(seen(world1({ replays: false }).ask(null, sign(KEY)))).toBe('503 not_enforceable');
  expect(seen(world1({ peppers: false }).ask(null, sign(KEY)))).toBe('503 validation_unavailable');
});

test('the body of a signed request goes on only if it is the one whose digest was signed', () => {
  const w = world1({ routes: [route('/closed', [signed()], { bodyMaxBytes: 100 })] });
  const { held } = forwarded(w.ask(null, sign(KEY, { method: 'POST', hasBody: true })));
  expect(held?.bytesMax).toBe(100);
  expect(held?.refusal(Buffer.from(BODY))).toBeNull();
  expect(held?.refusal(Buffer.from(`${BODY} `))).toMatchObject({ code: 'signature_invalid' });
  expect(forwarded(world1().ask(null, sign(KEY, { method: 'POST', hasBody: true }))).held?.bytesMax).toBe(1_048_576);
  const both: Ask = {
    method: 'POST',
    hasBody: true,
    headers: [
      [
        'Content-Digest',
        `${contentDigestField(createHash('sha256').update(BODY).digest())}, sha-512=:${Buffer.alloc(64).toString('base64')}:`,
      ],
    ],
  };
  const wrongSecond = forwarded(world1().ask(null, sign(KEY, both))).held;
  expect(wrongSecond?.refusal(Buffer.from(BODY))).toMatchObject({ code: 'signature_invalid' });
  for (const digest of ['md5=:AAAA:', 'sha-256=:AAAA:', 'sha-256=abc', ','])
    expect(seen(world1().ask(null, sign(KEY, { method: 'POST', hasBody: true, headers: [['Content-Digest', digest]] })))).toBe(
      '400 bad_request',
    );
});

test('what anybody composes over a canonical request is verified, whatever the request is', () => {
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
  const text = (alphabet: string, most: number): string =>
    Array.from({ length: random(most) }, () => alphabet.charAt(random(alphabet.length))).join('');
  const w = world1();
  for (let i = 0; i < 300; i++) {
    const ask: Ask = {
      method: ['GET', 'POST', 'PATCH', 'X-CUSTOM'][random(4)] ?? 'GET',
      path: `/closed/${text('abc-_~%4A'.replace('%4A', ''), 12)}`,
      query: text('abc=&%20+!;,:@/?', 30),
      hasBody: random(2) === 0,
      hostText: ['gateway.test', 'GATEWAY.test:80', 'gateway.test:8080', '[::1]:8443'][random(4)] ?? '',
      headers: [
        ['X-One', text(' !"#$%&\'()*+,-./:;<=>?@[]^_`{|}~aZ', 40).trim()],
        ['X-Two', 'a'],
        ['X-Two', text('b, ', 10).trim()],
      ],
    };
    const covers = [...COVERS, 'x-one', 'x-two', ...(ask.hasBody ? ['content-digest'] : [])];
    const decision = w.ask(null, sign(KEY, ask, { covers, nonce: text(' !~abc"\\', 60) || `n${i}` }));
    const replayed = decision.kind === 'answer' && decision.code === 'signature_replayed';
    if (!replayed)
      expect([ask, seen(decision), decision.kind === 'answer' ? decision.because : '']).toEqual([ask, 'forward', '']);
  }
});

test('what a signature covers reaches the upstream: nobody on the way can have it dropped, or say it again in another spelling', () => {
  const w = world({
    routes: [route('/closed', [signed(['x-amount-due'])])],
    keys: [KEY],
    grant: { signing: { algorithm: 'hmac-sha256' } },
  });
  const ask = () => sign(KEY, { headers: [['X-Amount-Due', '10']] }, { covers: [...COVERS, 'x-amount-due'] });
  const decide = (...more: [string, string][]) => {
    const { headers = [], ...rest } = ask();
    return seen(w.ask(null, { ...rest, headers: [...headers, ...more] }));
  };
  expect(decide(['Connection', 'keep-alive'])).toBe('forward');
  expect(decide(['Connection', 'close, X-Amount-DUE'])).toBe('401 signature_invalid');
  expect(decide(['Connection', 'close'], ['Connection', 'x_amount_due'])).toBe('401 signature_invalid');
  for (const twin of ['x_amount_due', 'X_Amount-Due', 'x-amount_due'])
    expect([twin, decide([twin, '0'])]).toEqual([twin, '401 signature_invalid']);
});
