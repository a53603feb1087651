import { createHash, createHmac, generateKeyPairSync, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatKey, formatSigningSecret, readSignature, type SignedMessage } from '@fluxgate/policy';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openWorld, type World } from './world.ts';

const KID = '7Kq2mXcT9aLb';
const SECRET = formatSigningSecret(
  'live',
  KID,
  Uint8Array.from({ length: 32 }, (_, i) => i * 7),
);
const pair = generateKeyPairSync('ed25519');
const BODY = Buffer.from([0, 1, 2, 255, 10, 13]);
let world: World;
beforeAll(async () => {
  world = await openWorld({});
  const write = (name: string, content: string | Buffer): void => writeFileSync(join(world.home, name), content);
  write('hmac.key', `${SECRET}\n`);
  write('private.pem', pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  write('public.pem', pair.publicKey.export({ type: 'spki', format: 'pem' }) as string);
  write(
    'rsa.pem',
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  );
  write('bare.key', formatKey('k', 'live', KID, SECRET.slice(-49, -6)));
  write('body.bin', BODY);
});
afterAll(() => world.close());

interface Printed {
  readonly headers: readonly (readonly [string, string])[];
  readonly createdAt: string;
}
/** What a gateway would read of the printed headers. */
function judged(printed: Printed, about: Partial<SignedMessage>) {
  const message: SignedMessage = {
    method: 'GET',
    scheme: 'https',
    authority: 'api.example.com',
    target: '/orders?limit=10',
    path: '/orders',
    query: 'limit=10',
    hasBody: false,
    fieldValues: (name) => printed.headers.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value),
    ...about,
  };
  const read = readSignature(message, { maxAgeMs: 300_000, covers: [] }, new Date(printed.createdAt).getTime());
  if (!read.ok) throw new Error(`${read.code}: ${read.why}`);
  return read;
}
const sign = async (...words: string[]): Promise<Printed> => {
  const ran = await world.fluxctl(['sign', ...words, '-o', 'json']);
  if (ran.exit !== 0) throw new Error(ran.stderr + ran.stdout);
  expect(ran.stdout + ran.stderr).not.toContain(SECRET);
  return JSON.parse(ran.stdout) as Printed;
};

test('what is printed is a signature that gateways take', async () => {
  const read = judged(await sign('GET', 'https://api.example.com/orders?limit=10', '--key-file', 'hmac.key'), {});
  expect(read).toMatchObject({ kid: KID, algorithm: 'hmac-sha256' });
  expect(createHmac('sha256', SECRET).update(read.base, 'latin1').digest()).toEqual(Buffer.from(read.signature));
});

test('a body is covered byte by byte, and so is every header that is given', async () => {
  const printed = await sign(
    'POST',
    'http://127.0.0.1:8080/orders',
    '--data',
    '@body.bin',
    '-H',
    'Content-Type: application/octet-stream',
    '--expires-in',
    '30s',
    '--key-file',
    'hmac.key',
  );
  const about = {
    method: 'POST',
    scheme: 'http',
    authority: '127.0.0.1:8080',
    target: '/orders',
    query: '',
    hasBody: true,
  } as const;
  const read = judged(printed, about);
  expect(read.base).toContain('"content-type": application/octet-stream');
  expect(read.endsS).toBe(read.createdS + 30);
  expect(Buffer.from(read.digests?.[0]?.bytes ?? [])).toEqual(createHash('sha256').update(BODY).digest());
});

test('a private key signs under the id that its public half has', async () => {
  const line = ['GET', 'https://api.example.com/orders?limit=10', '--key-file', 'private.pem'];
  const read = judged(await sign(...line, '--key-id', KID), {});
  expect(verify(null, Buffer.from(read.base, 'latin1'), pair.publicKey, read.signature)).toBe(true);
  expect((await world.fluxctl(['sign', ...line])).stderr).toContain('--key-id');
});

test('every signature has a nonce of its own, and the key may be named by the environment', async () => {
  const run = () =>
    world.fluxctl(['sign', 'GET', 'https://api.example.com/orders', '--lines'], {
      env: { FLUXCTL_SIGNING_KEY_FILE: 'hmac.key' },
    });
  const nonces = (await Promise.all([run(), run()])).map(({ stdout }) => /nonce="([^"]+)"/.exec(stdout)?.[1]);
  expect(nonces[0]).toMatch(/^[A-Za-z0-9_-]{24}$/);
  expect(nonces[0]).not.toBe(nonces[1]);
});

test('arguments for curl survive the shell', async () => {
  const ran = await world.fluxctl(['sign', 'GET', 'https://a.example/x', '--key-file', 'hmac.key', '-H', "X-Quote: it's"]);
  expect(ran.exit).toBe(0);
  expect(ran.stdout).toMatch(
    /^-H 'X-Quote: it'\\''s' -H 'Signature-Input: sig=\([^']*' -H 'Signature: sig=:[A-Za-z0-9+/=]+:'\n$/,
  );
});

test.each([
  [['GET', 'https://a.example/x'], 'nothing to sign with'],
  [['GET', 'https://a.example/x', '--key-file', 'none'], 'does not exist'],
  [['GET', 'https://a.example/x', '--key-file', 'bare.key'], 'signs nothing'],
  [['GET', 'https://a.example/x', '--key-file', 'rsa.pem', '--key-id', KID], 'not Ed25519'],
  [['GET', 'https://a.example/x', '--key-file', 'public.pem', '--key-id', KID], 'neither a signing secret nor'],
  [['GET', 'https://a.example/x', '--key-file', 'hmac.key', '--key-id', '000000000000'], 'not of 000000000000'],
  [['GET', '/x', '--key-file', 'hmac.key'], 'not an http or https URL'],
  [['GET', 'https://u:p@a.example/x', '--key-file', 'hmac.key'], 'not an http or https URL'],
  [['GET', 'https://a.example/a/../b', '--key-file', 'hmac.key'], 'read it as /b'],
  [['GET', 'https://a.example/a//b', '--key-file', 'hmac.key'], 'no gateway takes'],
  [['POST', 'https://a.example/x', '--key-file', 'hmac.key', '--data', 'text'], 'names no file'],
  [['POST', 'https://a.example/x', '--key-file', 'hmac.key', '-H', 'nothing'], 'is not a header'],
])('fluxctl sign %j is refused', async (words, why) => {
  const ran = await world.fluxctl(['sign', ...words]);
  expect([ran.exit, ran.stdout]).toEqual([2, '']);
  expect(ran.stderr).toContain(why);
  expect(ran.stderr).not.toContain(SECRET);
});

test('only the public half of a key is registered', async () => {
  const line = ['keys', 'generate', '--name', 'a', '--signing-key'];
  const env = { FLUXCTL_SERVER: 'http://127.0.0.1:1', FLUXCTL_TOKEN: 'x' };
  expect((await world.fluxctl([...line, 'private.pem'], { env })).stderr).toContain('holds a private key');
  expect((await world.fluxctl([...line, 'rsa.pem'], { env })).stderr).toContain('holds a private key');
  expect((await world.fluxctl([...line, 'public.pem', '--signing'], { env })).stderr).toContain('contradicts --signing');
});
