import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  algorithmOf,
  compilePlan,
  decodeBase64url,
  EMPTY_SETTINGS,
  type JwtSettings,
  judgeClaims,
  type Plan,
  parseObject,
  readKeySet,
  TOKEN_PRESETS,
} from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compactVerify, createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { route } from '../pipeline/fakes.ts';
import { KeyStore } from './keyStore.ts';
import { verifySignature } from './signature.ts';
import { TokenDesk } from './tokenDesk.ts';

/** Another implementation as witness: what FluxGate takes, jose takes, and the other way round but for the strictness that is named here. */

const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'PS256', 'EdDSA'];
const NOW_S = 1_800_000_000;
const ISSUER = 'https://issuer.example';

const jwt: JwtSettings = {
  enabled: true,
  issuer: ISSUER,
  audience: ['orders'],
  jwksUri: `${ISSUER}/jwks`,
  cacheTtlMs: 300_000,
  requiredClaims: ['exp'],
  requiredScopes: [],
  clockSkewMs: 60_000,
  algorithms: ALGORITHMS,
  claimsToHeaders: {},
  preset: 'standard',
  claimsToScopes: [],
  typ: [],
  maxLifetimeMs: null,
};
const plan: Plan = compilePlan({
  settings: EMPTY_SETTINGS,
  upstreams: [],
  tiers: [],
  routes: [route('/', [{ kind: 'jwt', jwt }])],
});
const check = plan.routes[0]?.check;
const provider = plan.providers[0];
if (check?.kind !== 'jwt' || provider === undefined) throw new Error('the plan has no jwt check');

function deskOf(jwks: unknown): TokenDesk {
  const desk = new TokenDesk({ monotonicMs: () => 0, ask: async () => null });
  desk.setKeys({
    t: 'keys',
    provider: 'https://issuer.example https://issuer.example/jwks',
    keys: readKeySet(jwks)?.keys ?? [],
    usableUntilMs: 1e9,
  });
  return desk;
}

function takes(desk: TokenDesk, token: string): boolean {
  if (provider === undefined || check?.kind !== 'jwt') return false;
  const verdict = desk.verify(desk.open(token), provider, check.algorithms);
  return verdict.ok && judgeClaims(verdict.token, check.rules, NOW_S * 1000) === null;
}

async function joseTakes(jwks: JSONWebKeySet, token: string): Promise<boolean> {
  try {
    await jwtVerify(token, createLocalJWKSet(jwks), {
      issuer: ISSUER,
      audience: 'orders',
      algorithms: ALGORITHMS,
      requiredClaims: ['exp'],
      clockTolerance: 60,
      currentDate: new Date(NOW_S * 1000),
    });
    return true;
  } catch {
    return false;
  }
}

const pairs = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ed: generateKeyPairSync('ed25519'),
};
type Name = keyof typeof pairs;
const jwkOf = (name: Name, change: object = {}) => ({ ...pairs[name].publicKey.export({ format: 'jwk' }), kid: name, ...change });
const jwks = { keys: (Object.keys(pairs) as Name[]).map((name) => jwkOf(name)) } as JSONWebKeySet;
const desk = deskOf(jwks);

const HASHES: Record<string, string | null> = { RS256: 'sha256', PS256: 'sha256', ES256: 'sha256', ES384: 'sha384', EdDSA: null };
function signed(alg: string, key: KeyObject, header: unknown, payload: unknown): string {
  const parts = [header, payload].map((part) =>
    Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url'),
  );
  const data = Buffer.from(parts.join('.'));
  const options = alg.startsWith('ES')
    ? { key, dsaEncoding: 'ieee-p1363' as const }
    : alg === 'PS256'
      ? { key, padding: 6, saltLength: 32 }
      : key;
  let signature: Buffer;
  try {
    signature = sign(HASHES[alg] ?? null, data, options);
  } catch {
    signature = Buffer.alloc(64, 7);
  }
  return [...parts, signature.toString('base64url')].join('.');
}

const oddValue = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.constant([]),
  fc.constant({}),
);
const time = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: NOW_S - 100, max: NOW_S + 100 }) },
  { weight: 1, arbitrary: fc.double({ min: NOW_S - 70, max: NOW_S + 70, noNaN: true }) },
  { weight: 1, arbitrary: oddValue },
);
const claims = fc
  .record(
    {
      iss: fc.oneof({ weight: 9, arbitrary: fc.constant(ISSUER) }, { weight: 1, arbitrary: oddValue }),
      aud: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom<unknown>('orders', ['x', 'orders'], ['orders']) },
        { weight: 1, arbitrary: fc.constantFrom<unknown>('Orders', [], ['x'], [['orders']], { orders: 1 }) },
        { weight: 1, arbitrary: oddValue },
      ),
      sub: fc.string(),
      exp: time,
      nbf: time,
      iat: time,
      extra: fc.jsonValue(),
    },
    { requiredKeys: ['iss', 'aud', 'exp'] },
  )
  .filter((one) => !('sub' in one) || (one.sub as string).isWellFormed());
const header = fc.record(
  {
    alg: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...ALGORITHMS) },
      { weight: 1, arbitrary: fc.constantFrom('none', 'HS256', 'RS512', 'rs256', 'ES512') },
      { weight: 1, arbitrary: oddValue },
    ),
    kid: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom<unknown>('rsa', 'p256', 'p384', 'ed') },
      { weight: 1, arbitrary: oddValue },
    ),
    typ: fc.constantFrom('JWT', 'at+jwt', 'application/at+jwt'),
    crit: fc.constantFrom<unknown>(['b64'], [], ['x'], 'b64'),
    b64: fc.constant(true),
    cty: fc.string(),
  },
  { requiredKeys: ['alg'] },
);
const FITTING: Record<string, Name> = { RS256: 'rsa', PS256: 'rsa', ES256: 'p256', ES384: 'p384', EdDSA: 'ed' };

test('random tokens, mostly well signed: never a difference from jose on what is valid', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(header, claims, fc.boolean(), fc.nat(3), async (head, payload, fits, one) => {
      const alg = typeof head.alg === 'string' && head.alg in HASHES ? head.alg : 'RS256';
      const name = FITTING[alg] as Name;
      const whole = fits ? { ...head, kid: name } : head;
      // Most headers name no extension, as in life.
      if ('crit' in whole && one > 0) delete (whole as { crit?: unknown }).crit;
      const token = signed(alg, pairs[name].privateKey, whole, payload);
      const ours = takes(desk, token);
      if (ours) taken += 1;
      expect([token, ours]).toEqual([token, await joseTakes(jwks, token)]);
    }),
    { numRuns: 1500 },
  );
  expect(taken).toBeGreaterThan(100);
}, 120_000);

test('mutations of a good token are never taken, and never crash', async () => {
  const good = signed(
    'ES256',
    pairs.p256.privateKey,
    { alg: 'ES256', kid: 'p256' },
    { iss: ISSUER, aud: 'orders', exp: NOW_S + 10 },
  );
  expect([takes(desk, good), await joseTakes(jwks, good)]).toEqual([true, true]);
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length), fc.string({ maxLength: 3 }), fc.nat(3), async (at, text, cut) => {
      const token = good.slice(0, at) + text + good.slice(at + cut);
      if (token !== good) expect([token, takes(desk, token)]).toEqual([token, false]);
    }),
    { numRuns: 5000 },
  );
});

test('random bytes in place of header and payload: no crash, no accept', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 80 }), fc.string(), (a, b, c) => {
      for (const token of [[a, b, a].map((part) => Buffer.from(part).toString('base64url')).join('.'), c, `${c}.${c}.${c}`])
        expect(takes(desk, token)).toBe(false);
    }),
    { numRuns: 3000 },
  );
});

// ── attacks, made here ───────────────────────────────────────────────────────────────────────────────────────────────────────

const good = { iss: ISSUER, aud: 'orders', sub: 'u', exp: NOW_S + 100 };
const attacker = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
};
const base = (head: object) => [head, good].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');

test('alg none in all its costumes', () => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', ' none', 'none\u0000', '', null, ['none'], { alg: 'none' }]) {
    const unsigned = base({ alg, kid: 'rsa' });
    const stolen = signed('RS256', pairs.rsa.privateKey, { alg: 'RS256', kid: 'rsa' }, good).split('.')[2];
    for (const token of [`${unsigned}.`, unsigned, `${unsigned}.AA`, `${unsigned}.${stolen}`])
      expect([token, takes(desk, token)]).toEqual([token, false]);
  }
});

test('a public key as HMAC secret, in every spelling an attacker could have (CVE-2015-9235, CVE-2016-5431)', () => {
  const { publicKey } = pairs.rsa;
  const spellings = [
    publicKey.export({ type: 'spki', format: 'pem' }),
    publicKey.export({ type: 'pkcs1', format: 'pem' }),
    publicKey.export({ type: 'spki', format: 'der' }),
    JSON.stringify(jwkOf('rsa')),
    String(publicKey.export({ format: 'jwk' }).n),
    Buffer.from(String(publicKey.export({ format: 'jwk' }).n), 'base64url'),
    '',
    'secret',
  ];
  for (const alg of ['HS256', 'HS384', 'HS512', 'RS256'])
    for (const secret of spellings) {
      const data = base({ alg, kid: 'rsa' });
      const mac = createHmac('sha256', secret).update(data).digest('base64url');
      expect(takes(desk, `${data}.${mac}`)).toBe(false);
    }
});

test('a key that comes with the token is not looked at (CVE-2018-0114), and no URL in it either', () => {
  const own = attacker.rsa.publicKey.export({ format: 'jwk' });
  for (const extra of [
    { jwk: own },
    { jwk: { ...own, kid: 'rsa' } },
    { jku: 'https://evil.example/jwks' },
    { x5u: 'https://evil.example/x' },
    { x5c: ['MIIB'] },
  ]) {
    expect(takes(desk, signed('RS256', attacker.rsa.privateKey, { alg: 'RS256', kid: 'rsa', ...extra }, good))).toBe(false);
    const genuine = signed('RS256', pairs.rsa.privateKey, { alg: 'RS256', kid: 'rsa', ...extra }, good);
    expect([extra, takes(desk, genuine)]).toEqual([extra, 'x5c' in extra]);
  }
});

test('blank and impossible ECDSA signatures (CVE-2022-21449), DER, and signatures of the wrong length', () => {
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);
  const data = base({ alg: 'ES256', kid: 'p256' });
  const der = sign('sha256', Buffer.from(data), pairs.p256.privateKey);
  const raw = sign('sha256', Buffer.from(data), { key: pairs.p256.privateKey, dsaEncoding: 'ieee-p1363' });
  const zero = Buffer.alloc(32);
  expect(takes(desk, `${data}.${raw.toString('base64url')}`)).toBe(true);
  for (const bad of [
    Buffer.alloc(64),
    Buffer.concat([order, order]),
    Buffer.concat([one, one]),
    Buffer.concat([one, zero]),
    Buffer.concat([zero, one]),
    Buffer.alloc(64, 0xff),
    der,
    Buffer.from([0x30, 6, 2, 1, 0, 2, 1, 0]),
    raw.subarray(0, 63),
    Buffer.concat([raw, Buffer.from([0])]),
    Buffer.concat([raw.subarray(0, 32), zero, raw.subarray(32), zero]),
  ])
    expect(takes(desk, `${data}.${bad.toString('base64url')}`)).toBe(false);
});

test('a key id is a name and nothing else: not a path, a query, a URL, a member of every object', () => {
  for (const kid of [
    '../../dev/null',
    "' OR 1=1 --",
    'https://evil.example/k',
    'constructor',
    '__proto__',
    'toString',
    'RSA',
    'rsa ',
    'rsa\u0000',
    '',
    '*',
  ])
    expect([kid, takes(desk, signed('RS256', pairs.rsa.privateKey, { alg: 'RS256', kid }, good))]).toEqual([kid, false]);
});

test('RSA signatures with another padding, digest or key are not RS256', () => {
  const data = base({ alg: 'RS256', kid: 'rsa' });
  for (const signature of [
    sign('sha1', Buffer.from(data), pairs.rsa.privateKey),
    sign('sha512', Buffer.from(data), pairs.rsa.privateKey),
    sign('sha256', Buffer.from(data), { key: pairs.rsa.privateKey, padding: 6, saltLength: 32 }),
    sign('sha256', Buffer.from(data), attacker.rsa.privateKey),
    Buffer.alloc(256),
    Buffer.alloc(256, 0xff),
    Buffer.from([1]),
  ])
    expect(takes(desk, `${data}.${signature.toString('base64url')}`)).toBe(false);
});

test('a key is good only for what it says: use, key_ops, alg, curve; namesakes are not chosen between', () => {
  const token = signed('ES256', pairs.p256.privateKey, { alg: 'ES256', kid: 'p256' }, good);
  const with_ = (...keys: object[]): boolean => takes(deskOf({ keys }), token);
  expect(with_(jwkOf('p256', { use: 'sig', key_ops: ['verify'], alg: 'ES256' }))).toBe(true);
  for (const change of [
    { use: 'enc' },
    { key_ops: ['sign'] },
    { key_ops: ['verify', 'verify'] },
    { alg: 'ES384' },
    { alg: 'HS256' },
    { crv: 'P-384' },
    { kid: 'other' },
    { kty: 'RSA' },
  ])
    expect([change, with_(jwkOf('p256', change))]).toEqual([change, false]);
  expect(with_(jwkOf('p256'), { ...attacker.ec.publicKey.export({ format: 'jwk' }), kid: 'p256' })).toBe(false);
  expect(with_(jwkOf('p256'), jwkOf('p256'), jwkOf('rsa', { kid: 'p256' }))).toBe(true);
  const off = jwkOf('p256');
  expect(with_({ ...off, y: off.x })).toBe(false);
});

test('the presets are those that the configuration names', () => {
  expect(Object.keys(TOKEN_PRESETS)).toEqual(['standard', 'auth0', 'okta', 'cognito', 'keycloak', 'google']);
});

// ── vectors of others, where they are given ──────────────────────────────────────────────────────────────────────────────────

interface Vectors {
  readonly testGroups: readonly {
    readonly type: string;
    readonly comment?: string;
    readonly public?: unknown;
    readonly private?: unknown;
    readonly publicKey?: { readonly wx: string; readonly wy: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly jws?: string;
      readonly result: string;
      readonly flags: readonly string[];
      readonly comment: string;
    }[];
  }[];
}

const corpus = process.env['FLUXGATE_CORPUS'];
const folder = corpus === undefined ? '' : join(corpus, 'wycheproof');

test('Wycheproof: of its JSON Web Signature and Key vectors every invalid one is refused (FLUXGATE_CORPUS)', async () => {
  if (!existsSync(folder)) return;
  const wrong: string[] = [];
  let seen = 0;
  for (const file of readdirSync(folder).filter((name) => /^json_web_(key|signature)/.test(name))) {
    const vectors = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vectors;
    for (const group of vectors.testGroups) {
      const source = group.public ?? group.private;
      const keys = publicOnly(source);
      const local = new KeyStore();
      local.put({ t: 'keys', provider: 'p', keys: readKeySet({ keys })?.keys ?? [], usableUntilMs: 1 });
      for (const one of group.tests) {
        if (one.jws === undefined) continue;
        seen += 1;
        const ours = rawSignatureIsGood(local, one.jws);
        const asymmetric = keys.some((key) => key['kty'] !== 'oct') && !one.jws.startsWith('eyJhbGciOiJIUz');
        const expected = one.result === 'valid' && asymmetric;
        const oracle = await compactVerify(one.jws, createLocalJWKSet({ keys } as JSONWebKeySet), {
          algorithms: [...ALGORITHMS, 'ES512', 'RS384', 'RS512', 'PS384', 'PS512'],
        }).then(
          () => true,
          () => false,
        );
        if (ours && !oracle) wrong.push(`${file} ${one.tcId} ${one.comment}: taken, and jose refuses`);
        if (ours !== expected && !(one.result === 'acceptable'))
          wrong.push(`${file} ${one.tcId} ${one.comment}: ${ours}, jose ${oracle}, expected ${one.result}`);
      }
    }
  }
  expect(seen).toBeGreaterThan(0);
  expect(wrong).toEqual([]);
});

function publicOnly(source: unknown): Record<string, unknown>[] {
  const list =
    typeof source === 'object' && source !== null && 'keys' in source && Array.isArray(source.keys) ? source.keys : [source];
  return list.map((one) => {
    const { d, p, q, dp, dq, qi, ...rest } = one as Record<string, unknown>;
    return rest;
  });
}

/** Wycheproof's payloads are no claims: here the header, the key and the signature alone are judged, with every algorithm on. */
function rawSignatureIsGood(store: KeyStore, jws: string): boolean {
  const parts = jws.split('.');
  const [head, , signature] = parts.map((part) => decodeBase64url(part));
  if (parts.length !== 3 || head == null || signature == null) return false;
  const header = parseObject(Buffer.from(head).toString());
  const algorithm = typeof header?.['alg'] === 'string' ? algorithmOf(header['alg']) : null;
  if (header === null || algorithm === null) return false;
  const kid = typeof header['kid'] === 'string' ? header['kid'] : null;
  const { key } = store.candidate('p', kid, algorithm);
  return key !== null && verifySignature(algorithm, key, Buffer.from(jws.slice(0, jws.lastIndexOf('.')), 'latin1'), signature);
}
