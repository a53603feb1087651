import { expect, test } from '@jest/globals';
import { algorithmOf } from './algorithms.ts';
import { decodeBase64url, decodeUtf8 } from './base64url.ts';
import { readBearer } from './bearer.ts';
import { bearerChallenge } from './challenge.ts';
import { compileTokenRules, judgeClaims, type TokenRulesInput } from './claims.ts';
import { claimHeaders, headerValue } from './headers.ts';
import { agrees, type PublicJwk, readJwk, readKeySet } from './jwk.ts';
import { readCompactJws } from './jws.ts';
import { type JsonObject, parseObject, valueAt } from './members.ts';
import { scopesOf, TOKEN_PRESETS } from './scopes.ts';

const encode = (text: string): string => Buffer.from(text).toString('base64url');
const token = (header: unknown, payload: unknown = { sub: 'a' }, signature = 'AAAA'): string =>
  [header, payload]
    .map((part) => encode(typeof part === 'string' ? part : JSON.stringify(part)))
    .join('.')
    .concat('.', signature);
const why = (text: string): string => {
  const read = readCompactJws(text);
  return read.ok ? 'read' : read.why;
};

test('base64url has one spelling per byte string: padding, other alphabets and spare bits are refused', () => {
  for (let length = 0; length < 40; length += 1) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 97 + length * 31) & 0xff));
    expect(Buffer.from(decodeBase64url(bytes.toString('base64url')) ?? [])).toEqual(bytes);
  }
  for (const bad of ['A', 'AB', 'AAB', 'AA==', 'A+AA', 'A/AA', 'AA A', 'AAÁA', 'AA\nA', 'AAAAA'])
    expect([bad, decodeBase64url(bad)]).toEqual([bad, null]);
});

test('UTF-8 is read strictly', () => {
  for (const text of ['', 'Zoë 東京 \u{1f511}', '\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}', '\ufeffx'])
    expect(decodeUtf8(Buffer.from(text))).toBe(text);
  for (const bad of [
    [0x80],
    [0xc0, 0x80],
    [0xc3],
    [0xe0, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x80, 0x80, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xff],
  ])
    expect([bad, decodeUtf8(Uint8Array.from(bad))]).toEqual([bad, null]);
});

test('a token is exactly three canonical parts around JSON objects', () => {
  expect(readCompactJws(token({ alg: 'RS256', kid: 'k', typ: 'application/AT+JWT' }))).toMatchObject({
    ok: true,
    alg: 'RS256',
    kid: 'k',
    typ: 'at+jwt',
    claims: { sub: 'a' },
  });
  const good = token({ alg: 'RS256' });
  const [header, payload, signature] = good.split('.') as [string, string, string];
  for (const bad of [
    '',
    '.',
    '..',
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${header}..${signature}`,
    `.${payload}.${signature}`,
    `${good}.x`,
    `${header}=.${payload}.${signature}`,
    `${good}=`,
    `${good} `,
    `${header}.${payload}.AB`,
    token([{ alg: 'RS256' }]),
    token('"RS256"'),
    token('null'),
    token('{"alg":"RS256"}x'),
    token('\ufeff{"alg":"RS256"}'),
    token({ alg: 'RS256' }, '[1]'),
    token({ alg: 'RS256' }, '"x"'),
    token({ alg: 'RS256' }, ''),
    token({ alg: 'RS256' }, `{"x":"${'y'.repeat(16_384)}"}`),
  ])
    expect([bad.slice(0, 60), why(bad)]).not.toEqual([bad.slice(0, 60), 'read']);
});

test('a header member of the wrong type, a key brought along, or an extension nobody knows ends the reading', () => {
  for (const header of [
    {},
    { alg: ['RS256'] },
    { alg: null },
    { alg: 'RS256', kid: 1 },
    { alg: 'RS256', kid: null },
    { alg: 'RS256', kid: 'k'.repeat(600) },
    { alg: 'RS256', typ: {} },
    { alg: 'RS256', jwk: {} },
    { alg: 'RS256', jku: 'https://issuer.example/jwks.json' },
    { alg: 'RS256', x5u: 'data:,' },
    { alg: 'RS256', crit: [] },
    { alg: 'RS256', crit: 'b64', b64: true },
    { alg: 'RS256', crit: ['exp'], exp: 1 },
    { alg: 'RS256', crit: ['alg'] },
    { alg: 'RS256', crit: ['b64'] },
    { alg: 'RS256', crit: ['b64'], b64: false },
    { alg: 'RS256', b64: false },
  ])
    expect([header, why(token(header))]).not.toEqual([header, 'read']);
  expect(why(token({ alg: 'RS256', crit: ['b64'], b64: true, x5t: 'x', cty: 'x', zip: 'x' }))).toBe('read');
});

test('a member named twice, in any spelling and at any depth, makes two tokens of one: refused', () => {
  for (const twice of [
    '{"alg":"none","alg":"RS256"}',
    '{"alg":"RS256","\\u0061lg":"none"}',
    '{"a":{"b":1,"c":[{"d":1,"d":2}]}}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
  ])
    expect([twice, parseObject(twice)]).toEqual([twice, null]);
  for (const once of ['{"a":{"a":{"a":[{"a":1},{"a":1}]}},"b":"a","c":"\\"a\\":1,{"}', '{"a":[1,"a","a"],"b":["a"]}', ' { } '])
    expect(parseObject(once)).toEqual(JSON.parse(once));
  expect(why(token('{"alg":"none","alg":"RS256"}'))).not.toBe('read');
  expect(why(token({ alg: 'RS256' }, '{"aud":"evil","aud":"us"}'))).not.toBe('read');
});

test('claims named like parts of every object are claims and nothing else', () => {
  const claims = parseObject('{"__proto__":{"admin":true},"constructor":{"x":1}}') as JsonObject;
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  expect(valueAt(claims, '__proto__.admin')).toBe(true);
  expect(valueAt(claims, 'toString')).toBeUndefined();
  expect(valueAt(claims, 'constructor.name')).toBeUndefined();
  expect(valueAt({ 'https://ns.example/a.b': 1, realm: { 'x.y': { z: 2 } } }, 'https://ns.example/a.b')).toBe(1);
  expect(valueAt({ 'https://ns.example/a.b': 1, realm: { 'x.y': { z: 2 } } }, 'realm.x.y.z')).toBe(2);
});

test('no algorithm with a shared secret, and none without any, has a name here', () => {
  for (const name of [
    'none',
    'None',
    'HS256',
    'HS384',
    'HS512',
    'rs256',
    'RS1',
    'ES256K',
    'dir',
    '',
    'toString',
    '__proto__',
    'RS256 ',
  ])
    expect([name, algorithmOf(name)]).toEqual([name, null]);
});

// ── keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const n2048 = Buffer.alloc(256, 0xc3).toString('base64url');
const rsa = (change: object = {}) => ({ kty: 'RSA', n: n2048, e: 'AQAB', kid: 'r', ...change });
const p256 = (change: object = {}) => ({
  kty: 'EC',
  crv: 'P-256',
  x: encode('x'.repeat(32)),
  y: encode('y'.repeat(32)),
  kid: 'e',
  ...change,
});

test('a key that is not for verifying, is weak, private, odd or of another kind is left out by itself', () => {
  const bad: unknown[] = [
    null,
    'x',
    rsa({ use: 'enc' }),
    rsa({ use: 1 }),
    rsa({ key_ops: ['sign'] }),
    rsa({ key_ops: 'verify' }),
    rsa({ d: 'AQAB' }),
    rsa({ kid: 7 }),
    rsa({ alg: 'HS256' }),
    rsa({ alg: 'ES256' }),
    rsa({ alg: 'RSA-OAEP' }),
    rsa({ n: Buffer.alloc(128, 0xc3).toString('base64url') }),
    rsa({ n: Buffer.alloc(255, 0xff).toString('base64url') }),
    rsa({ n: Buffer.alloc(2048, 0xc3).toString('base64url') }),
    rsa({ n: `${n2048}=` }),
    rsa({ e: 'AQ' }),
    rsa({ e: 'AA' }),
    rsa({ e: 'AQAA' }),
    rsa({ e: '' }),
    { kty: 'oct', k: 'c2VjcmV0', kid: 'o' },
    { kty: 'constructor' },
    p256({ crv: 'secp256k1' }),
    p256({ crv: 'toString' }),
    p256({ x: encode('x'.repeat(31)) }),
    p256({ y: undefined }),
    p256({ alg: 'ES384' }),
    { kty: 'OKP', crv: 'X25519', x: encode('x'.repeat(32)) },
    { kty: 'OKP', crv: 'Ed25519', x: encode('x'.repeat(33)) },
  ];
  for (const one of bad) expect([one, typeof readJwk(one)]).toEqual([one, 'string']);
  const set = readKeySet({ keys: [...bad, rsa(), p256({ alg: 'ES256', use: 'sig', key_ops: ['verify'] })] });
  expect(set?.keys.map((key) => key.kid)).toEqual(['r', 'e']);
  expect(set?.ignored).toHaveLength(bad.length);
});

test('a document without one usable key is no key set, so that nothing is thrown away for it', () => {
  for (const document of [null, [], 'x', {}, { keys: {} }, { keys: [] }, { keys: [rsa({ use: 'enc' })] }, { keys: null }])
    expect([document, readKeySet(document)]).toEqual([document, null]);
});

test('twins count once, namesakes stay side by side, and a flood of keys is cut', () => {
  const other = rsa({ n: Buffer.alloc(256, 0xc5).toString('base64url') });
  expect(readKeySet({ keys: [rsa(), rsa({ x5c: ['ignored'] }), other] })?.keys).toHaveLength(2);
  const flood = Array.from({ length: 5000 }, (_, i) => rsa({ kid: `k${i}` }));
  expect(readKeySet({ keys: flood })?.keys).toHaveLength(100);
});

test('type, curve and alg of a key must agree with the algorithm', () => {
  const keys = [
    rsa(),
    rsa({ alg: 'RS256' }),
    p256(),
    { kty: 'OKP', crv: 'Ed25519', x: encode('x'.repeat(32)), alg: 'EdDSA' },
  ].map((one) => readJwk(one) as PublicJwk);
  const table = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'].map((name) => {
    const algorithm = algorithmOf(name);
    return [name, keys.map((key) => (algorithm !== null && agrees(key, algorithm) ? 1 : 0)).join('')];
  });
  expect(Object.fromEntries(table)).toEqual({
    RS256: '1100',
    PS256: '1000',
    ES256: '0010',
    ES384: '0000',
    EdDSA: '0001',
    Ed25519: '0001',
  });
});

// ── claims ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const NOW_S = 1_800_000_000;
const rulesOf = (change: Partial<TokenRulesInput> = {}, preset: keyof typeof TOKEN_PRESETS = 'standard') =>
  compileTokenRules(
    {
      issuer: 'https://issuer.example',
      audience: ['orders'],
      requiredClaims: [],
      requiredScopes: [],
      clockSkewMs: 60_000,
      claimsToHeaders: {},
      claimsToScopes: [],
      typ: [],
      maxLifetimeMs: null,
      ...change,
    },
    TOKEN_PRESETS[preset],
  );
const judged = (claims: object, rules = rulesOf(), typ: string | null = null, nowMs = NOW_S * 1000) =>
  judgeClaims(
    { typ, claims: { iss: 'https://issuer.example', aud: 'orders', sub: 'u', exp: NOW_S + 100, ...claims } as JsonObject },
    rules,
    nowMs,
  )?.reason ?? 'passes';

test('times: the second of the end is the end, the skew moves both sides, fractions count, wrong types never pass', () => {
  expect(judged({ exp: NOW_S - 59 })).toBe('passes');
  expect(judged({ exp: NOW_S - 60 })).toBe('token_expired');
  expect(judged({ exp: NOW_S - 59.5 })).toBe('passes');
  expect(judged({ exp: NOW_S }, rulesOf({ clockSkewMs: 0 }))).toBe('token_expired');
  expect(judged({ nbf: NOW_S + 60 })).toBe('passes');
  expect(judged({ nbf: NOW_S + 61 })).toBe('token_not_yet_valid');
  expect(judged({ iat: NOW_S + 5000 })).toBe('passes');
  expect(judged({ exp: 0 })).toBe('token_expired');
  expect(judged({ exp: undefined })).toBe('claim_missing');
  for (const bad of ['1e9', null, {}, [], true, Number.POSITIVE_INFINITY, Number.NaN])
    for (const name of ['exp', 'nbf', 'iat']) expect([name, bad, judged({ [name]: bad })]).toEqual([name, bad, 'claim_invalid']);
});

test('a longest life asks for iat, not in the future, and exp within it', () => {
  const rules = rulesOf({ maxLifetimeMs: 3_600_000 });
  expect(judged({ iat: NOW_S - 3500 }, rules)).toBe('passes');
  expect(judged({ iat: NOW_S - 3501 }, rules)).toBe('token_lifetime');
  expect(judged({ iat: NOW_S + 61 }, rules)).toBe('token_not_yet_valid');
  expect(judged({}, rules)).toBe('claim_missing');
});

test('issuer and audience are compared whole, and only as texts', () => {
  for (const iss of [undefined, null, 'https://ISSUER.example', 'https://issuer.example/', ['https://issuer.example'], ''])
    expect([iss, judged({ iss })]).toEqual([iss, 'issuer_mismatch']);
  for (const aud of [undefined, null, 'orders-evil', 'Orders', [], ['a', 'b'], [['orders']], { 0: 'orders' }, 1])
    expect([aud, judged({ aud })]).toEqual([aud, 'audience_mismatch']);
  for (const aud of ['orders', ['x', 'orders'], [1, 'orders']]) expect([aud, judged({ aud })]).toEqual([aud, 'passes']);
});

test('a token of another purpose is no access token', () => {
  for (const typ of [null, 'jwt', 'at+jwt']) expect([typ, judged({}, rulesOf(), typ)]).toEqual([typ, 'passes']);
  for (const typ of ['dpop+jwt', 'logout+jwt', 'secevent+jwt', ''])
    expect([typ, judged({}, rulesOf(), typ)]).toEqual([typ, 'token_type']);
  const strict = rulesOf({ typ: ['application/at+JWT'] });
  expect([null, 'jwt', 'at+jwt'].map((typ) => judged({}, strict, typ))).toEqual(['token_type', 'token_type', 'passes']);
});

test('required claims must be there and hold something; a sub is a text', () => {
  const rules = rulesOf({ requiredClaims: ['sub', 'realm_access.roles'] });
  expect(judged({ realm_access: { roles: [] } }, rules)).toBe('passes');
  expect(judged({ realm_access: {} }, rules)).toBe('claim_missing');
  expect(judged({ realm_access: { roles: null } }, rules)).toBe('claim_missing');
  for (const sub of [1, null, ['u'], '\ud800']) expect([sub, judged({ sub })]).toEqual([sub, 'claim_invalid']);
});

test('scopes: words or lists, whole, from where the issuer keeps them', () => {
  const claims = {
    scope: 'a  b:c a',
    scp: ['d', 'e f', 7, ''],
    permissions: ['p:q'],
    realm_access: { roles: ['r'] },
    'cognito:groups': ['g'],
    deep: { er: 'x y' },
  };
  expect(scopesOf(claims, TOKEN_PRESETS.standard.scopes)).toEqual(['a', 'b:c', 'd']);
  expect(scopesOf(claims, TOKEN_PRESETS.auth0.scopes)).toEqual(['a', 'b:c', 'p:q']);
  expect(scopesOf(claims, TOKEN_PRESETS.keycloak.scopes)).toEqual(['a', 'b:c', 'r']);
  expect(scopesOf(claims, TOKEN_PRESETS.cognito.scopes)).toEqual(['a', 'b:c', 'g']);
  expect(scopesOf(claims, TOKEN_PRESETS.okta.scopes)).toEqual(['d']);
  expect(scopesOf(claims, ['deep.er'])).toEqual(['x', 'y']);
  expect(scopesOf({ scope: { a: 1 } }, ['scope'])).toEqual([]);
});

test('presets know what their provider does differently', () => {
  const cognito = rulesOf({ audience: ['client-1'] }, 'cognito');
  expect(judged({ aud: undefined, client_id: 'client-1', token_use: 'access' }, cognito)).toBe('passes');
  expect(judged({ aud: 'client-1', token_use: 'id' }, cognito)).toBe('token_type');
  expect(judged({ aud: 'other', client_id: 'client-1', token_use: 'access' }, cognito)).toBe('audience_mismatch');
  expect(judged({ typ: 'ID' }, rulesOf({}, 'keycloak'))).toBe('token_type');
  const google = rulesOf({ issuer: 'https://accounts.google.com' }, 'google');
  expect(judged({ iss: 'accounts.google.com' }, google)).toBe('passes');
  expect(judged({ iss: 'accounts.google.com' })).toBe('issuer_mismatch');
});

// ── towards the upstream and the client ────────────────────────────────────────────────────────────────────────────────────

test('no claim can end its header, and no two subjects become one', () => {
  const nasty = ['u\r\nX-Admin: 1', 'a', ' a', 'a ', 'a  b', 'a b', 'a%20b', 'é', '%C3%A9', '\u0000', '', ' ', '東', 'a\tb'];
  const values = nasty.map(headerValue);
  for (const value of values) expect(value).toMatch(/^(?:[\x21-\x7e]+(?: [\x21-\x7e]+)*)?$/);
  expect(new Set(values).size).toBe(nasty.length);
  for (const [i, value] of values.entries())
    expect(nasty[i]).toBe(
      /^(?:[\x21-\x24\x26-\x7e]+(?: [\x21-\x24\x26-\x7e]+)*)?$/.test(nasty[i] as string) ? value : decodeURIComponent(value),
    );
});

test('claims become headers as scalars and lists of scalars; what is missing or an object sends nothing', () => {
  const claims = { sub: 'u', n: 4, b: false, list: ['a,b', 'c', {}, 1], o: {}, nul: null, huge: 'x'.repeat(5000) };
  const names = ['sub', 'n', 'b', 'list', 'o', 'nul', 'huge', 'missing'].map((name) => [name, `X-${name}`] as const);
  expect(claimHeaders(claims, names)).toEqual(['X-sub', 'u', 'X-n', '4', 'X-b', 'false', 'X-list', 'a%2Cb,c,1']);
});

test('the Authorization field: one scheme in any case, one token, nothing after it', () => {
  for (const field of ['Bearer a.b-c_d~+/==', 'bearer a', 'BEARER   a'])
    expect([field, readBearer(field).kind]).toEqual([field, 'token']);
  for (const field of [
    'Bearer',
    'Bearer ',
    'Bearer a, Bearer b',
    'Bearer a b',
    'Bearer a;x=1',
    'Bearer a\tb',
    `Bearer ${'a'.repeat(16_385)}`,
  ])
    expect([field, readBearer(field).kind]).toEqual([field, 'malformed']);
  for (const field of [undefined, '', 'Basic YTpi', 'DPoP x', 'Bearerish x', 'Bear', 'Bearer\ta'])
    expect([field, readBearer(field).kind]).toEqual([field, 'none']);
});

test('RFC 6750: no error without a token, the scope that is missing with insufficient_scope', () => {
  expect(bearerChallenge('live', null)).toBe('Bearer realm="live"');
  expect(bearerChallenge('live', { error: 'invalid_token', description: 'The token has expired', scope: null })).toBe(
    'Bearer realm="live", error="invalid_token", error_description="The token has expired"',
  );
  expect(bearerChallenge('live', { error: 'insufficient_scope', description: null, scope: 'orders:read' })).toBe(
    'Bearer realm="live", error="insufficient_scope", scope="orders:read"',
  );
});
