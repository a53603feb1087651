import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type House, home, startHouse, startProcess, startUpstream, type Upstream } from '../src/index.ts';

/** Signed requests (RFC 9421) between real processes: made by fluxctl, judged by a node of four workers, counted at the upstream. */
const FLUXCTL = join(home, 'apps', 'fluxctl', 'bin', 'fluxctl.js');
const BODY = '{"amount":12}';
let house: House;
let upstream: Upstream;

beforeAll(async () => {
  upstream = await startUpstream();
  house = await startHouse({ nodes: 1, workers: 4 });
  await house.admin.apply(
    [
      `upstreams:\n  orders: { targets: ["${upstream.url}"] }`,
      'route: /orders\nupstream: orders\nmiddleware:\n  - api_key: { signature: required, scopes: ["write:orders"] }',
      'route: /small\nupstream: orders\nbody: { max: 64B }\nmiddleware:\n  - api_key: { signature: required }',
      'route: /bare\nupstream: orders\nmiddleware:\n  - api_key: {}',
    ].join('\n---\n'),
  );
  writeFileSync(join(house.dir, 'body.json'), BODY);
  await fluxctl(
    'keys',
    'generate',
    '--name',
    'billing',
    '--scope',
    'write:orders',
    '--signing',
    '--secret-to',
    'file:billing.signing',
    '--wait',
  );
}, 90_000);
afterAll(async () => {
  await house?.stop();
  await upstream?.close();
}, 60_000);

async function fluxctl(...words: string[]): Promise<string> {
  const ran = startProcess(
    FLUXCTL,
    words,
    { FLUXCTL_SERVER: house.adminUrl, FLUXCTL_TOKEN: house.admin.token, NO_COLOR: '1', HOME: house.dir },
    { cwd: house.dir },
  );
  const { code } = await ran.exited;
  if (code !== 0) throw new Error(`fluxctl ${words.join(' ')}: ${code}\n${ran.output()}`);
  return ran.stdout();
}

type Headers = readonly (readonly [string, string])[];
async function sign(method: string, path: string, ...words: string[]): Promise<Headers> {
  const printed = await fluxctl('sign', method, `${house.nodes[0]?.url}${path}`, ...words, '-o', 'json');
  return (JSON.parse(printed) as { headers: Headers }).headers;
}
const withSecret = ['--key-file', 'billing.signing'];
const signPost = (path = '/orders'): Promise<Headers> =>
  sign('POST', path, '--data', '@body.json', '-H', 'Content-Type: application/json', ...withSecret);

interface Answer {
  readonly status: number;
  readonly error: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}
/** A connection of its own for each request, so that workers share them; `pieces` are sent one after the other. */
function send(method: string, path: string, headers: Headers, pieces: readonly string[] = [], length = true): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const total = Buffer.byteLength(pieces.join(''));
    const framing = pieces.length === 0 ? {} : length ? { 'content-length': String(total) } : { 'transfer-encoding': 'chunked' };
    const sent = request(
      {
        host: '127.0.0.1',
        port: house.nodes[0]?.port,
        method,
        path,
        agent: false,
        headers: { ...Object.fromEntries(headers), ...framing },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          const body = JSON.parse(text || '{}') as { error?: string };
          resolve({ status: response.statusCode ?? 0, error: body.error, headers: response.headers });
        });
      },
    );
    sent.on('error', reject);
    void (async () => {
      for (const piece of pieces) {
        sent.write(piece);
        await new Promise((later) => setTimeout(later, pieces.length > 1 ? 20 : 0));
      }
      sent.end();
    })();
  });
}
const seen = ({ status, error }: Answer): string => `${status} ${error ?? 'passed'}`;

test('a signed request passes without its secret on the wire, and its upstream is told whose it is', async () => {
  upstream.received.length = 0;
  const headers = await signPost();
  const secret = readFileSync(join(house.dir, 'billing.signing'), 'utf8').trim();
  expect(secret).toMatch(/^fgs_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/);
  expect(statSync(join(house.dir, 'billing.signing')).mode & 0o777).toBe(0o600);
  expect(JSON.stringify(headers)).not.toContain(secret.slice(-49));
  expect(seen(await send('POST', '/orders', headers, [BODY]))).toBe('200 passed');
  const [received] = upstream.received;
  expect(received?.body.toString()).toBe(BODY);
  expect(received?.headers['x-fluxgate-principal']).toBe('billing');
  expect(received?.headers['x-fluxgate-key-id']).toBe(secret.split('_')[2]);
});

test('of forty copies of a request over four workers exactly one reaches the upstream', async () => {
  upstream.received.length = 0;
  const headers = await signPost();
  const answers = await Promise.all(Array.from({ length: 40 }, () => send('POST', '/orders', headers, [BODY])));
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(seen(answer), (counts.get(seen(answer)) ?? 0) + 1);
  expect(Object.fromEntries(counts)).toEqual({ '200 passed': 1, '401 signature_replayed': 39 });
  expect(upstream.received).toHaveLength(1);
});

test('without a signature the route says what to sign; a bare key does not help', async () => {
  const key = (await house.admin.generate({ name: 'bare', scopes: ['write:orders'] })).secret ?? '';
  for (const headers of [[], [['X-FluxGate-API-Key', key]]] as Headers[]) {
    const answer = await send('POST', '/orders', headers, [BODY]);
    expect(seen(answer)).toBe('401 signature_missing');
    expect(answer.headers['accept-signature']).toBe(
      'sig=("@method" "@authority" "@path" "@query" "content-digest");created;tag="fluxgate"',
    );
  }
  expect(seen(await send('GET', '/bare', [['X-FluxGate-API-Key', key]]))).toBe('200 passed');
});

test('whatever was signed and is different on arrival never reaches the upstream', async () => {
  upstream.received.length = 0;
  const other = `{"amount":99}`;
  const swap = (headers: Headers, name: string, value: string): Headers =>
    headers.map(([field, old]) => [field, field.toLowerCase() === name ? value : old]);
  const digest = `sha-256=:${createHash('sha256').update(other).digest('base64')}:`;
  const verdicts = [
    await send('POST', '/orders', await signPost(), [other]),
    await send('POST', '/orders', await signPost(), ['{"amo', 'unt":1', '3}'], false),
    await send('POST', '/orders', await signPost(), [BODY.slice(1)]),
    await send('POST', '/orders', swap(await signPost(), 'content-digest', digest), [other]),
    await send('PUT', '/orders', await signPost(), [BODY]),
    await send('POST', '/orders/2', await signPost(), [BODY]),
    await send('POST', '/orders?a=1', await signPost(), [BODY]),
    await send('POST', '/orders', swap(await signPost(), 'content-type', 'text/plain'), [BODY]),
    await send('POST', '/orders', [...(await signPost()), ['Host', 'elsewhere.example']], [BODY]),
    await send('POST', '/orders', [...(await signPost()), ['Content_Type', 'text/plain']], [BODY]),
    await send('POST', '/orders', [...(await signPost()), ['Connection', 'close, content-type']], [BODY]),
  ];
  expect(verdicts.map(seen)).toEqual(verdicts.map(() => '401 signature_invalid'));
  expect(upstream.received).toHaveLength(0);
});

test('a body in pieces is put together, checked and passed on whole; one that is too large is refused', async () => {
  upstream.received.length = 0;
  const pieces = [BODY.slice(0, 3), BODY.slice(3, 7), BODY.slice(7)];
  expect(seen(await send('POST', '/orders', await signPost(), pieces))).toBe('200 passed');
  expect(seen(await send('POST', '/orders', await signPost(), pieces, false))).toBe('200 passed');
  expect(upstream.received.map(({ body }) => body.toString())).toEqual([BODY, BODY]);

  const large = 'x'.repeat(1_048_577);
  writeFileSync(join(house.dir, 'large'), large);
  const most = 'y'.repeat(1_048_576);
  writeFileSync(join(house.dir, 'most'), most);
  const signLarge = (file: string) => sign('POST', '/orders', '--data', `@${file}`, ...withSecret);
  expect((await send('POST', '/orders', await signLarge('large'), [large])).status).toBe(413);
  expect((await send('POST', '/orders', await signLarge('most'), [most])).status).toBe(200);
  expect(upstream.received.at(-1)?.body.length).toBe(1_048_576);
  const small = await sign('POST', '/small', '--data-string', 'z'.repeat(65), ...withSecret);
  expect((await send('POST', '/small', small, ['z'.repeat(30), 'z'.repeat(35)], false)).status).toBe(413);
  expect(upstream.received).toHaveLength(3);
});

test('a public key is registered, and only its private half signs', async () => {
  const pair = generateKeyPairSync('ed25519');
  writeFileSync(join(house.dir, 'public.pem'), pair.publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(join(house.dir, 'private.pem'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const other = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(join(house.dir, 'other.pem'), other, { mode: 0o600 });
  const line = ['keys', 'generate', '--name', 'pair', '--scope', 'write:orders', '--signing-key', 'public.pem'];
  const made = JSON.parse(await fluxctl(...line, '--wait', '-o', 'json')) as { key: { versions: { kid: string }[] } };
  const kid = made.key.versions[0]?.kid ?? '';
  const good = await sign('GET', '/orders?limit=10', '--key-file', 'private.pem', '--key-id', kid);
  expect(seen(await send('GET', '/orders?limit=10', good))).toBe('200 passed');
  const forged = await sign('GET', '/orders', '--key-file', 'other.pem', '--key-id', kid);
  expect(seen(await send('GET', '/orders', forged))).toBe('401 signature_invalid');
});

test('after a rotation both secrets sign until the old one is ended; a revoked key signs no more and is told so', async () => {
  await fluxctl(
    'keys',
    'generate',
    '--name',
    'turning',
    '--scope',
    'write:orders',
    '--signing',
    '--secret-to',
    'file:one',
    '--wait',
  );
  await fluxctl('keys', 'rotate', 'turning', '--secret-to', 'file:two', '--wait');
  expect(readFileSync(join(house.dir, 'two'), 'utf8')).toMatch(/^fgs_live_/);
  const get = async (file: string) => send('GET', '/orders', await sign('GET', '/orders', '--key-file', file));
  expect([seen(await get('one')), seen(await get('two'))]).toEqual(['200 passed', '200 passed']);
  await fluxctl('keys', 'revoke', 'turning', '--yes', '--wait');
  const answer = await get('two');
  expect([answer.status, answer.headers['x-fluxgate-reason']]).toEqual([401, 'key_revoked']);
});

test('the lines of the manual work in a shell with curl, where there is one', async () => {
  if (spawnSync('curl', ['--version']).status !== 0) return;
  upstream.received.length = 0;
  const url = `${house.nodes[0]?.url}/orders`;
  const fluxctl = `'${process.execPath}' '${FLUXCTL}'`;
  const lines = [
    `eval curl -s "'${url}'" "$(${fluxctl} sign GET '${url}' --key-file billing.signing)"`,
    `${fluxctl} sign POST '${url}' --data @body.json --key-file billing.signing --lines | curl -s -H @- --data-binary @body.json '${url}'`,
  ];
  for (const line of lines) {
    const ran = startProcess(
      '-e',
      ['process.exitCode = require("child_process").spawnSync("sh", ["-c", process.argv[1]], { stdio: "inherit" }).status', line],
      {},
      { cwd: house.dir },
    );
    expect([(await ran.exited).code, ran.output()]).toEqual([0, expect.stringContaining('"path":"/orders"')]);
  }
  expect(upstream.received.map(({ method, body }) => `${method} ${body.toString()}`)).toEqual(['GET ', `POST ${BODY}`]);
});

test('the client of the manual, written with nothing but Node, gets through', async () => {
  const manual = readFileSync(join(home, 'docs', 'signed-requests.md'), 'utf8');
  const client = /```js\n([\s\S]*?)```/.exec(manual)?.[1] ?? '';
  expect(client).toContain('http://127.0.0.1:8080');
  writeFileSync(join(house.dir, 'client.mjs'), client.replace('http://127.0.0.1:8080', house.nodes[0]?.url ?? ''));
  const ran = startProcess('client.mjs', [], {}, { cwd: house.dir });
  expect([(await ran.exited).code, ran.output()]).toEqual([0, expect.stringMatching(/^200 .*"bytes":13/)]);
});
