import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SignerUnavailable } from '@fluxgate/stores/signing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { createApp } from '../src/http/app.ts';
import { createFailureLimit } from '../src/http/failures.ts';
import { createTokenUse } from '../src/http/token-use.ts';
import { createIssuer, localSigners } from '../src/issuer/issuer.ts';
import { rotateDueRings, tidySigningKeys } from '../src/issuer/rotate.ts';
import { handlers } from '../src/operations/index.ts';
import type { Services } from '../src/services.ts';
import { engines, type Plane, startPlane, type Tenant } from './harness.ts';
import { type IssuedClient, makeClient, TokenClient } from './token-client.ts';

interface Status {
  readonly keys: { kid: string; state: string; signsFrom: string }[];
  readonly next: { step: string; at: string } | null;
}
interface Rotated {
  readonly outcome: string;
  readonly status: Status;
  readonly warnings: string[];
}
const DAY_MS = 86_400_000;
const AHEAD_MS = 360_000;
const settings = { algorithm: 'ES256', rotateEveryMs: 30 * DAY_MS, jwksCacheMs: 300_000 } as const;

/** The same database, everything else of its own: as after a restart, or as another replica. */
async function another(
  plane: Plane,
  baseUrl: string | null = plane.url,
): Promise<{ url: string; services: Services; close(): Promise<void> }> {
  const { db, kek } = plane.opened;
  // Both answer for the same issuer.
  const issuer = createIssuer(db, plane.door, settings, [localSigners(db, kek, plane.door)], () => baseUrl);
  const services: Services = { ...plane.services, issuer };
  const app = createApp(services, {
    handlers,
    failures: createFailureLimit(),
    tokenUse: createTokenUse(services),
    validateResponses: true,
    stopping: () => false,
    secure: false,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    services,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.each([...engines])('signing keys on %s', (engine) => {
  let plane: Plane;
  let admin: Tenant;
  let tokens: TokenClient;
  let client: IssuedClient;
  beforeAll(async () => {
    plane = await startPlane(engine);
  }, 60_000);
  afterAll(() => plane.close());
  beforeEach(async () => {
    admin = await plane.newRealm();
    tokens = new TokenClient(plane, admin.realm);
    client = await makeClient(admin);
  });

  const fresh = async (): Promise<string> => String((await tokens.token(client)).body['access_token']);
  const kidOf = (token: string): string => String(decodeProtectedHeader(token).kid);
  const rotate = async (body: object = {}): Promise<Rotated> => (await admin.post<Rotated>('/v1/issuer/jwks/rotate', body)).body;
  const states = ({ keys }: Status): string => keys.map(({ state }) => state).join(' ');
  const publishedKids = async (): Promise<string[]> =>
    ((await tokens.get('/oauth2/jwks')).body['keys'] as { kid: string }[]).map(({ kid }) => kid);
  const storedKids = async (): Promise<string[]> =>
    (await plane.services.db.prisma.signingKey.findMany({ where: { realm: admin.realm } })).map(({ kid }) => kid).sort();

  test('a rotation by hand publishes, waits, signs, and keeps the old key published until its last token has ended', async () => {
    const before = await fresh();
    const rehearsed = (await admin.post<Rotated>('/v1/issuer/jwks/rotate?dryRun=true')).body;
    expect([rehearsed.outcome, await storedKids()]).toEqual(['staged', [kidOf(before)]]);
    const staged = await rotate();
    expect([staged.outcome, states(staged.status)]).toEqual(['staged', 'current next']);
    const next = staged.status.keys[1];
    expect(await publishedKids()).toEqual([kidOf(before), next?.kid]);
    expect(kidOf(await fresh())).toBe(kidOf(before));
    expect(Math.abs(Date.parse(next?.signsFrom ?? '') - plane.door.nowMs() - AHEAD_MS)).toBeLessThan(5000);
    expect((await rotate()).outcome).toBe('waiting');
    plane.door.advance(AHEAD_MS);
    const promoted = await rotate();
    expect([promoted.outcome, states(promoted.status), promoted.warnings]).toEqual(['promoted', 'current previous', []]);
    const after = await fresh();
    expect(kidOf(after)).toBe(next?.kid);
    for (const token of [before, after]) await tokens.verify(token, 'orders-api', plane.door.nowMs());
    // One more begins, but has to wait for the tokens of the one before.
    expect((await rotate()).outcome).toBe('staged');
    plane.door.advance(AHEAD_MS);
    expect((await rotate()).outcome).toBe('waiting');
    plane.door.advance(3_600_000);
    expect(states((await rotate()).status)).toBe('current previous');
    expect(await publishedKids()).not.toContain(kidOf(before));
    const audit = await admin.get<{ items: { action: string }[] }>('/v1/audit?limit=100&action=jwks.rotate');
    expect(audit.body.items.length).toBe(4);
  });

  test('by itself a key is replaced when it is of age, by one of many control planes, and its private half is destroyed', async () => {
    const first = kidOf(await fresh());
    const other = await another(plane);
    const both = () => Promise.all([rotateDueRings(plane.services), rotateDueRings(other.services)]);
    const status = async () => (await admin.get<Status>('/v1/issuer/jwks')).body;
    try {
      await both();
      expect(states(await status())).toBe('current');
      expect((await status()).next?.step).toBe('stage');
      plane.door.advance(30 * DAY_MS - AHEAD_MS + 1000);
      await both();
      expect(states(await status())).toBe('current next');
      plane.door.advance(AHEAD_MS);
      await both();
      expect(states(await status())).toBe('current previous');
      const second = kidOf(await fresh());
      expect(second).not.toBe(first);
      await tidySigningKeys(plane.services);
      expect(await storedKids()).toContain(first);
      plane.door.advance(60_001);
      await tidySigningKeys(plane.services);
      expect(await storedKids()).not.toContain(first);
      expect(await publishedKids()).toContain(first);
      plane.door.advance(3_600_000);
      await both();
      expect([states(await status()), await publishedKids()]).toEqual(['current', [second]]);
      plane.door.advance(3_600_000);
      await tidySigningKeys(plane.services);
      expect(await storedKids()).toEqual([second]);
      const audit = await admin.get<{ items: { action: string; actor: string }[] }>('/v1/audit?limit=100');
      const steps = audit.body.items.filter(({ actor }) => actor === 'automatic').map(({ action }) => action);
      expect(steps).toEqual(['jwks.retire', 'jwks.promote', 'jwks.stage']);
    } finally {
      await other.close();
    }
  });

  test('an emergency signs with another key at once and says what it costs; after a leak every old token ends', async () => {
    const old = await fresh();
    const now = await rotate({ now: true });
    expect([now.outcome, states(now.status), now.warnings.length]).toEqual(['promoted', 'current previous', 1]);
    const newer = await fresh();
    expect(kidOf(newer)).not.toBe(kidOf(old));
    await tokens.verify(old, 'orders-api', plane.door.nowMs());
    const again = await rotate({ now: true });
    expect(again.warnings.some((warning) => warning.includes(kidOf(old)))).toBe(true);
    const leaked = await rotate({ compromised: true });
    expect([states(leaked.status), leaked.warnings.length]).toEqual(['current', 3]);
    for (const token of [old, newer]) {
      await expect(tokens.verify(token, 'orders-api', plane.door.nowMs())).rejects.toThrow();
      const reply = await tokens.post('introspect', { token }, { authorization: `Bearer ${admin.token}` });
      expect(reply.body).toEqual({ active: false });
    }
    await tokens.verify(await fresh(), 'orders-api', plane.door.nowMs());
    expect(await storedKids()).toEqual([leaked.status.keys[0]?.kid]);
  });

  test('two control planes, and one after a restart, sign with the same ring and believe each other', async () => {
    const other = await another(plane);
    try {
      const there = new TokenClient(other, admin.realm);
      const [here, elsewhere] = [await fresh(), String((await there.token(client)).body['access_token'])];
      expect(kidOf(elsewhere)).toBe(kidOf(here));
      await tokens.verify(elsewhere, 'orders-api', plane.door.nowMs());
      const auth = { authorization: `Bearer ${admin.token}` };
      expect((await there.post('introspect', { token: here }, auth)).body['active']).toBe(true);
      expect((await there.post('revoke', { token: here }, auth)).status).toBe(200);
      expect((await tokens.post('introspect', { token: here }, auth)).body).toEqual({ active: false });
      // What one rotates the other signs with, a second later at the latest.
      await rotate({ now: true });
      plane.door.advance(1_001);
      expect(kidOf(String((await there.token(client)).body['access_token']))).toBe(kidOf(await fresh()));
    } finally {
      await other.close();
    }
  });

  test('an issuer below a path is served with the path and without it; one without a name makes no tokens', async () => {
    const named = await another(plane, 'https://gw.example.com/auth');
    const nameless = await another(plane, null);
    const realm = `/realms/${admin.realm}`;
    try {
      const issuer = `https://gw.example.com/auth${realm}`;
      for (const path of [
        `/.well-known/oauth-authorization-server/auth${realm}`,
        `/auth${realm}/.well-known/openid-configuration`,
        `${realm}/.well-known/oauth-authorization-server`,
      ])
        expect(await (await fetch(`${named.url}${path}`)).json()).toMatchObject({ issuer, jwks_uri: `${issuer}/oauth2/jwks` });
      for (const path of [`/auth${realm}/oauth2/jwks`, `${realm}/oauth2/jwks`])
        expect((await fetch(`${named.url}${path}`)).status).toBe(200);
      const refused = await new TokenClient(nameless, admin.realm).token(client);
      expect([refused.status, refused.body['error']]).toEqual([503, 'temporarily_unavailable']);
      expect(refused.body['error_description']).toContain('FLUXGATE_ISSUER');
    } finally {
      await named.close();
      await nameless.close();
    }
  });

  test('many first requests at once found one ring, and only its key is kept', async () => {
    const realm = await plane.newRealm();
    const many = new TokenClient(plane, realm.realm);
    const other = await another(plane);
    const there = new TokenClient(other, realm.realm);
    const sets = await Promise.all([many, there, many, there].map((one) => one.get('/oauth2/jwks')));
    expect(new Set(sets.map(({ text }) => text)).size).toBe(1);
    expect(await plane.services.db.prisma.signingKey.count({ where: { realm: realm.realm } })).toBe(1);
    await other.close();
  });

  test('concurrent rotations by hand publish one key', async () => {
    await fresh();
    const all = await Promise.all(Array.from({ length: 6 }, () => rotate()));
    expect(all.map(({ outcome }) => outcome).sort()).toEqual(['staged', ...Array(5).fill('waiting')]);
    expect((await storedKids()).length).toBe(2);
  });
});

describe('a signer that cannot sign', () => {
  let plane: Plane;
  beforeAll(async () => {
    plane = await startPlane();
  }, 60_000);
  afterEach(() => plane.close());

  test('is an outage: 503 for tokens and rotations, never a refusal of the client; key set and introspection go on', async () => {
    const admin = await plane.newRealm();
    const tokens = new TokenClient(plane, admin.realm);
    const client = await makeClient(admin);
    const token = String((await tokens.token(client)).body['access_token']);
    const signer = plane.services.issuer.signerFor(admin.realm);
    const sealed = () => Promise.reject(new SignerUnavailable('vault is sealed'));
    Object.assign(signer, { sign: sealed, generate: sealed });
    const refused = await tokens.token(client);
    expect([refused.status, refused.body['error'], refused.headers.get('retry-after')]).toEqual([
      503,
      'temporarily_unavailable',
      '2',
    ]);
    const rotated = await admin.post<{ code: string }>('/v1/issuer/jwks/rotate');
    expect([rotated.status, rotated.body.code]).toEqual([503, 'signer_unavailable']);
    await tokens.verify(token, 'orders-api', plane.door.nowMs());
    const auth = { authorization: `Bearer ${admin.token}` };
    expect((await tokens.post('introspect', { token }, auth)).body['active']).toBe(true);
  });
});

describe('nobody reads a private key', () => {
  function* filesBelow(dir: string): Generator<string> {
    for (const name of readdirSync(dir)) {
      const path = join(dir, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isDirectory()) yield* filesBelow(path);
      else if (stat?.isFile()) yield path;
    }
  }

  /** The private scalar (or prime) and the whole PKCS #8, in every way they could lie around. */
  function spellings(der: Buffer): (string | Buffer)[] {
    const jwk = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
    const raw = Buffer.from(jwk.d ?? '', 'base64url');
    const hex = raw.toString('hex');
    // The middle of a base64 text, whatever stands before it.
    const shifted = [0, 1, 2].map((pad) =>
      Buffer.concat([Buffer.alloc(pad), raw])
        .toString('base64')
        .slice(4, -4),
    );
    return [
      raw,
      jwk.d ?? '',
      hex,
      hex.toUpperCase(),
      der.toString('base64'),
      der.toString('hex'),
      ...shifted,
      '-----BEGIN PRIVATE',
      '-----BEGIN EC PRIVATE',
    ];
  }

  test('no table, no file of the database, no log line, no answer and no snapshot holds one in clear', async () => {
    const plane = await startPlane();
    const answers: string[] = [];
    const { db, kek } = plane.opened;
    try {
      const admin = await plane.newRealm();
      const tokens = new TokenClient(plane, admin.realm);
      const client = await makeClient(admin);
      for (let round = 0; round < 3; round += 1) {
        answers.push((await tokens.token(client)).text, (await tokens.get('/oauth2/jwks')).text);
        answers.push((await admin.post('/v1/issuer/jwks/rotate', { now: true })).text);
      }
      const rsa = createIssuer(
        db,
        plane.door,
        { ...settings, algorithm: 'RS256' },
        [localSigners(db, kek, plane.door)],
        () => null,
      );
      await rsa.signerFor(admin.realm).generate('RS256');
      for (const path of [
        '/v1/issuer/jwks',
        '/v1/clients',
        '/v1/audit?limit=500',
        '/v1/config/export',
        '/v1/revisions',
        '/v1/secrets',
      ])
        answers.push((await admin.get(path)).text);
      await db.prisma.$executeRawUnsafe('CHECKPOINT');
      const rows = await db.prisma.signingKey.findMany();
      expect(rows.length).toBe(3);
      const needles = rows.flatMap(({ kid, realm, algorithm, sealed }) =>
        spellings(Buffer.from(kek.open(sealed, ['issuer-key', realm, kid, algorithm]))),
      );
      const tables = await db.prisma.$queryRaw<
        { name: string }[]
      >`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`;
      const places: [string, Buffer][] = [
        ['log', Buffer.from(plane.logLines.join(''))],
        ['answers', Buffer.from(answers.join('\n'))],
        ['snapshot', Buffer.from(JSON.stringify((await db.snapshot(admin.realm)).records))],
      ];
      for (const { name } of tables) {
        const content = await db.prisma.$queryRawUnsafe<{ row: string }[]>(`SELECT t::text AS row FROM "${name}" t`);
        places.push([`table ${name}`, Buffer.from(content.map(({ row }) => row).join('\n'))]);
      }
      for (const file of filesBelow(plane.dir)) places.push([file, readFileSync(file)]);
      expect(places.length).toBeGreaterThan(100);
      // The search finds what is there: public halves lie in the clear.
      const publicX = String((rows[0]?.publicJwk as { x?: string } | undefined)?.x);
      expect(places.some(([, content]) => content.includes(publicX))).toBe(true);
      const found = places.flatMap(([place, content]) => needles.filter((needle) => content.includes(needle)).map(() => place));
      expect(found).toEqual([]);
    } finally {
      await plane.close();
    }
  }, 60_000);
});
