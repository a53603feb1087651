import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { operations } from '@fluxgate/protocol/admin';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fixed from './fixtures.ts';
import { problem, type Replies, type Stub, startStub } from './stub.ts';
import { openWorld, type Ran, TOKEN, type World } from './world.ts';

let stub: Stub;
let world: World;
afterEach(async () => {
  await stub.close();
  await world.close();
});
async function given(replies: Replies, env: Record<string, string> = {}): Promise<void> {
  await stub?.close();
  await world?.close();
  stub = await startStub(replies);
  world = await openWorld({ FLUXCTL_SERVER: stub.url, FLUXCTL_TOKEN: TOKEN, ...env });
}
beforeEach(async () => {
  stub = await startStub({});
  world = await openWorld();
});

test('what the stub answers is what the operations promise', () => {
  operations.keysGenerate.response.parse(fixed.issued);
  operations.keysRotate.response.parse(fixed.rotated);
  operations.nodesList.response.parse(fixed.nodes);
  operations.whoami.response.parse(fixed.whoami);
  operations.authVerify.response.parse(fixed.report);
  operations.oauth2Configure.response.parse(fixed.oauth2Updated);
  operations.configApply.response.parse(fixed.applied);
  operations.adminTokensCreate.response.parse(fixed.issuedToken);
  operations.routesTest.response.parse(fixed.routeTest);
  operations.clientsCreate.response.parse(fixed.issuedClient);
  operations.jwksIssuerStatus.response.parse(fixed.issuerStatus);
});

describe('keys generate', () => {
  const argv = 'keys generate --name analytics-service --scope read:metrics --quota 50000/d --expiry 90d'.split(' ');

  test('sends one request that the operation accepts, with the token, a wait and an idempotency key', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: fixed.issued } });
    expect((await world.fluxctl(argv)).exit).toBe(0);
    expect(stub.seen).toHaveLength(1);
    const [seen] = stub.seen;
    operations.keysGenerate.body.parse(seen!.body);
    operations.keysGenerate.query.parse(seen!.query);
    expect(seen!.query).toEqual({ wait: 'converged', timeout: '60000ms' });
    expect(seen!.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(seen!.headers['idempotency-key']).toMatch(/^cli-/);
  });

  test('puts the secret and nothing else on stdout', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: fixed.issued } });
    const ran = await world.fluxctl(argv);
    expect(ran.stdout).toBe(`${fixed.SECRET}\n`);
    expect(ran.stderr).not.toContain(fixed.SECRET);
    expect(ran.stderr).toContain('live on 2/2 nodes (0.1 s)');
  });

  test('hides the secret in the log of GitHub Actions before it is printed, on stderr', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: fixed.issued } }, { GITHUB_ACTIONS: 'true', CI: 'true' });
    const ran = await world.fluxctl(argv);
    expect(ran.stderr).toContain(`::add-mask::${fixed.SECRET}\n`);
    expect(ran.stdout).toBe(`${fixed.SECRET}\n`);
  });

  test('refuses an output that would make the secret and lose it, before asking the server', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: fixed.issued } });
    expect((await world.fluxctl([...argv, '-o', 'name'])).exit).toBe(2);
    expect((await world.fluxctl([...argv, '--field', 'key.id'])).exit).toBe(2);
    expect(stub.seen).toHaveLength(0);
    expect((await world.fluxctl([...argv, '-o', 'name', '--secret-to', 'file:k'])).stdout).toBe('key_01J9ZK\n');
    expect((await world.fluxctl([...argv, '--field', 'secret'])).stdout).toBe(`${fixed.SECRET}\n`);
  });

  test('delivers into a file of its own, 0600, and refuses a file that is there before asking the server', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: fixed.issued } });
    const ran = await world.fluxctl([...argv, '--secret-to', 'file:a.key', '-o', 'json']);
    const path = join(world.home, 'a.key');
    expect(readFileSync(path, 'utf8')).toBe(fixed.SECRET);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(ran.stdout)).toMatchObject({ secret: null, delivered: 'file:a.key (0600)' });
    const again = await world.fluxctl([...argv, '--secret-to', 'file:a.key']);
    expect([again.exit, stub.seen.length]).toEqual([2, 1]);
    expect((await world.fluxctl([...argv, '--secret-to', 'file:a.key', '--force'])).exit).toBe(0);
  });

  test('delivers to a command by its stdin; a command that fails is a failure that names the way out', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: fixed.issued } }, { PATH: process.env['PATH'] ?? '' });
    expect((await world.fluxctl([...argv, '--secret-to', 'exec:cat > got'])).exit).toBe(0);
    expect(readFileSync(join(world.home, 'got'), 'utf8')).toBe(fixed.SECRET);
    const failed = await world.fluxctl([...argv, '--secret-to', 'exec:cat; exit 3']);
    expect(failed.exit).toBe(1);
    expect(failed.stderr).toContain('keys rotate analytics-service');
    expect(failed.stdout + failed.stderr).not.toContain(fixed.SECRET);
  });

  test('prints the secret and exits 8 when not every node has the key in time', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: { ...fixed.issued, convergence: fixed.behind } } });
    const ran = await world.fluxctl(argv);
    expect([ran.exit, ran.stdout]).toEqual([8, `${fixed.SECRET}\n`]);
    expect(ran.stderr).toContain('gateway-2');
  });

  test('says plainly that no node is there', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: { ...fixed.issued, convergence: fixed.noNodes } } });
    expect((await world.fluxctl(argv)).stderr).toContain('no gateway node is connected');
  });

  test('does not wait with --no-wait, and only rehearses with --dry-run', async () => {
    await given({ 'POST /v1/keys': { status: 201, json: { ...fixed.issued, convergence: null, secret: null } } });
    await world.fluxctl([...argv, '--no-wait']);
    await world.fluxctl([...argv, '--dry-run']);
    expect(stub.seen.map((seen) => seen.query)).toEqual([{}, { dryRun: 'true' }]);
  });
});

describe('a request that mints is never a second one by accident', () => {
  const lost: Replies = { 'POST /v1/keys/a/rotate': { raw: (response) => response.destroy() } };
  const keys = () => stub.seen.map((seen) => seen.headers['idempotency-key']);

  test('after a lost answer the same command sends the same key; after a good one it sends a new one', async () => {
    let fails = true;
    await given({
      'POST /v1/keys/a/rotate': () => (fails ? { raw: (response) => response.destroy() } : { status: 201, json: fixed.rotated }),
    });
    expect((await world.fluxctl(['keys', 'rotate', 'a'])).exit).toBe(9);
    fails = false;
    expect((await world.fluxctl(['keys', 'rotate', 'a'])).exit).toBe(0);
    expect((await world.fluxctl(['keys', 'rotate', 'a'])).exit).toBe(0);
    const [first, second, third] = keys();
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  test('another command, or a refusal in between, sends a new key', async () => {
    let refuses = false;
    await given({
      ...lost,
      'POST /v1/keys/a/rotate': () =>
        refuses ? problem(409, 'rotation_in_progress', 'two versions are live') : { raw: (response) => response.destroy() },
    });
    await world.fluxctl(['keys', 'rotate', 'a']);
    await world.fluxctl(['keys', 'rotate', 'a', '--grace', '1h']);
    refuses = true;
    expect((await world.fluxctl(['keys', 'rotate', 'a'])).exit).toBe(7);
    await world.fluxctl(['keys', 'rotate', 'a']);
    const [first, other, refused, after] = keys();
    expect([other === first, refused === first, after === first]).toEqual([false, true, false]);
  });

  test('in CI every attempt of a job sends the same key, and --reissue one per attempt', async () => {
    const ci = (attempt: string) => ({
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: 'o/r',
      GITHUB_RUN_ID: '1',
      GITHUB_JOB: 'j',
      GITHUB_RUN_ATTEMPT: attempt,
    });
    await given({ 'POST /v1/keys/a/rotate': { status: 201, json: fixed.rotated } });
    for (const attempt of ['1', '2']) await world.fluxctl(['keys', 'rotate', 'a'], { env: ci(attempt) });
    for (const attempt of ['2', '3']) await world.fluxctl(['keys', 'rotate', 'a', '--reissue'], { env: ci(attempt) });
    const [one, two, reissued, again] = keys();
    expect([one === two, reissued === two, again === reissued]).toEqual([true, false, false]);
    expect(existsSync(join(world.home, '.local'))).toBe(false);
  });

  test('a replay prints no secret, exits 7 and names --reissue', async () => {
    await given({ 'POST /v1/keys/a/rotate': { status: 201, json: { ...fixed.rotated, secret: null, replayed: true } } });
    const ran = await world.fluxctl(['keys', 'rotate', 'a']);
    expect([ran.exit, ran.stdout]).toEqual([7, '']);
    expect(ran.stderr).toContain('--reissue');
    const json = await world.fluxctl(['keys', 'rotate', 'a', '-o', 'json']);
    expect([json.exit, JSON.parse(json.stdout).replayed]).toEqual([7, true]);
  });

  test('the journal holds no secret and is private', async () => {
    await given(lost);
    await world.fluxctl(['keys', 'rotate', 'a']);
    const path = join(world.home, '.local/state/fluxctl/journal.json');
    expect(readFileSync(path, 'utf8')).not.toContain(TOKEN);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe('keys rotate without a name', () => {
  test('rotates what is due, by the grace of its policy, one line per key', async () => {
    await given({
      'GET /v1/keys': { json: { items: [fixed.dueKey], nextCursor: null } },
      'POST /v1/keys/analytics-service/rotate': { status: 201, json: fixed.rotated },
    });
    const ran = await world.fluxctl(['keys', 'rotate']);
    expect([ran.exit, ran.stdout]).toEqual([0, `analytics-service\tkey_01J9ZK\t${fixed.SECRET}\n`]);
    expect(stub.seen[0]!.query).toMatchObject({ due: 'true' });
    expect(stub.seen[1]!.body).toEqual({ graceMs: 2 * 3_600_000 });
  });

  test('nothing due is a success that says so', async () => {
    await given({ 'GET /v1/keys': { json: { items: [], nextCursor: null } } });
    const ran = await world.fluxctl(['keys', 'rotate']);
    expect([ran.exit, ran.stdout]).toEqual([0, '']);
    expect(ran.stderr).toContain('nothing is due');
  });

  test('one of several that fails makes it 11, and the others are still done', async () => {
    await given({
      'POST /v1/keys/a/rotate': { status: 201, json: fixed.rotated },
      'POST /v1/keys/b/rotate': problem(404, 'key_not_found', 'there is no key b'),
    });
    const ran = await world.fluxctl(['keys', 'rotate', 'a', 'b', '-o', 'json']);
    expect(ran.exit).toBe(11);
    expect(JSON.parse(ran.stdout)).toMatchObject({ items: [{ secret: fixed.SECRET }], failed: [{ name: 'b', exit: 6 }] });
  });
});

describe('rotations finish', () => {
  test('is 3 while the old version is in use, and waits for it only with --wait', async () => {
    let asked = 0;
    const busy = problem(409, 'rotation_not_idle', 'version 3 is still in use: 41 requests in the last 10 min');
    await given({
      'POST /v1/rotations/rot_7Q2/finish': () =>
        ++asked > 3 ? { json: { revision: 813, convergence: fixed.converged, rotation: fixed.rotation } } : busy,
    });
    expect((await world.fluxctl('keys rotations finish rot_7Q2 --when-idle 10m'.split(' '))).exit).toBe(3);
    expect((await world.fluxctl('keys rotations finish rot_7Q2 --when-idle 10m --wait --timeout 30m'.split(' '))).exit).toBe(0);
    expect(asked).toBe(4);
  });
});

describe('every status of the server has its exit code', () => {
  test.each<[number, string, number]>([
    [400, 'invalid_request', 2],
    [401, 'unauthenticated', 4],
    [403, 'forbidden', 5],
    [404, 'key_not_found', 6],
    [409, 'conflict', 7],
    [412, 'precondition', 7],
    [422, 'expiry_exceeds_max_age', 2],
    [429, 'rate_limited', 9],
    [500, 'internal', 1],
    [503, 'database_unavailable', 9],
  ])('%i %s → %i, in table and in json alike', async (status, code, exit) => {
    await given({ 'GET /v1/keys/a': problem(status, code, 'what happened') });
    const table = await world.fluxctl(['keys', 'get', 'a']);
    const json = await world.fluxctl(['keys', 'get', 'a', '-o', 'json']);
    expect([table.exit, json.exit, table.stdout, json.stdout]).toEqual([exit, exit, '', '']);
    expect(table.stderr).toMatch(/^error: what happened\n/);
    expect(table.stderr).toContain('request req_1');
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code, exit, message: 'what happened', requestId: 'req_1' } });
    expect(json.stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('servers that misbehave get the right code and no stack trace', () => {
  const html = (status: number): Replies => ({
    'GET /v1/keys/a': {
      raw: (response) => {
        response.writeHead(status, { 'content-type': 'text/html', location: 'https://elsewhere.example' });
        response.end('<html>hello</html>');
      },
    },
  });
  const check = (ran: Ran, exit: number, words: RegExp): void => {
    expect([ran.exit, ran.stdout]).toEqual([exit, '']);
    expect(ran.stderr).toMatch(words);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  };
  test.each([
    [200, 9],
    [302, 9],
    [404, 9],
    [401, 4],
    [500, 1],
    [502, 9],
  ])('an HTML page with %i → %i', async (status, exit) => {
    await given(html(status));
    check(await world.fluxctl(['keys', 'get', 'a']), exit, /does not answer like the admin API/);
  });
  test('a redirect is not followed, so the token goes nowhere else', async () => {
    await given(html(302));
    expect((await world.fluxctl(['keys', 'get', 'a'])).stderr).toContain('https://elsewhere.example');
  });
  test('a closed connection → 9, asked twice because it is a read', async () => {
    await given({ 'GET /v1/keys/a': { raw: (response) => response.destroy() } });
    check(await world.fluxctl(['keys', 'get', 'a']), 9, /cannot reach/);
    expect(stub.seen).toHaveLength(2);
  });
  test('half an answer → 9', async () => {
    await given({
      'GET /v1/keys/a': {
        raw: (response) => {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
          response.write('{"id":');
          setTimeout(() => response.destroy(), 20);
        },
      },
    });
    check(await world.fluxctl(['keys', 'get', 'a']), 9, /cannot reach/);
  });
  test('a server that never answers → 9 after --timeout', async () => {
    await given({ 'GET /v1/keys/a': { raw: () => {} } });
    check(await world.fluxctl(['keys', 'get', 'a', '--timeout', '300ms']), 9, /no answer from/);
  });
  test('a port where nothing listens → 9; a name that is not there → 9', async () => {
    await given({});
    check(await world.fluxctl(['keys', 'get', 'a', '--server', 'http://127.0.0.1:1']), 9, /nothing listens there/);
    check(await world.fluxctl(['keys', 'get', 'a', '--server', 'http://no-such-host.invalid']), 9, /cannot reach/);
  });
  test('a proxy is used for other machines only: what listens here is asked directly', async () => {
    await given({ 'GET /v1/keys': { json: { items: [fixed.key], nextCursor: null } } });
    const proxy = { HTTP_PROXY: 'http://127.0.0.1:1' };
    expect((await world.fluxctl(['keys', 'list'], { env: proxy })).exit).toBe(0);
    check(await world.fluxctl(['keys', 'list', '--server', 'http://admin.invalid'], { env: proxy }), 9, /ECONNREFUSED/);
    check(
      await world.fluxctl(['keys', 'list', '--server', 'http://admin.invalid'], { env: { ...proxy, NO_PROXY: '.invalid' } }),
      9,
      /DNS/,
    );
  });
  test('a proxy that is there carries the request', async () => {
    let tunnels = 0;
    await given({ 'GET /v1/keys': { json: { items: [fixed.key], nextCursor: null } } });
    const upstream = new URL(stub.url);
    const proxy = createServer().on('connect', (_request, socket, head) => {
      tunnels++;
      const there = connect(Number(upstream.port), upstream.hostname, () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        there.write(head);
        there.pipe(socket).pipe(there);
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const env = { HTTP_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    const ran = await world.fluxctl(['keys', 'list', '-o', 'name', '--server', 'http://admin.invalid'], { env });
    expect([ran.exit, ran.stdout, tunnels]).toEqual([0, 'key_01J9ZK\n', 1]);
    proxy.close();
  });
  test('a token that is no token is told before anything is sent', async () => {
    await given({});
    const ran = await world.fluxctl(['keys', 'list'], { env: { FLUXCTL_TOKEN: 'a\nx: y' } });
    expect([ran.exit, stub.seen.length]).toEqual([2, 0]);
  });
  test('a write is not repeated', async () => {
    await given({ 'PATCH /v1/keys/a': { raw: (response) => response.destroy() } });
    check(await world.fluxctl(['keys', 'update', 'a', '--suspend']), 9, /cannot reach/);
    expect(stub.seen).toHaveLength(1);
  });
});

describe('credentials', () => {
  test('without any → 4, naming the login', async () => {
    await given({}, { FLUXCTL_TOKEN: '' });
    const ran = await world.fluxctl(['keys', 'list']);
    expect(ran.exit).toBe(4);
    expect(ran.stderr).toContain('fluxctl login --server');
  });

  test('a stored token never goes to another origin', async () => {
    const other = await startStub({ 'GET /v1/keys': { json: { items: [], nextCursor: null } } });
    await given({ 'GET /v1/whoami': { json: fixed.whoami } }, { FLUXCTL_TOKEN: '', FLUXCTL_SERVER: '' });
    expect(
      (await world.fluxctl(['login', '--server', stub.url, '--context', 'prod', '--token-stdin'], { stdin: `${TOKEN}\n` })).exit,
    ).toBe(0);
    const ran = await world.fluxctl(['keys', 'list', '--server', other.url]);
    expect([ran.exit, other.seen.length]).toEqual([4, 0]);
    expect(ran.stderr).toContain('is not sent to');
    await other.close();
  });

  test('login checks the token before it stores it, 0600, and never shows it', async () => {
    await given({ 'GET /v1/whoami': problem(401, 'unauthenticated', 'no such token') }, { FLUXCTL_TOKEN: '' });
    const argv = ['auth', 'login', '--server', stub.url, '--token-stdin'];
    expect((await world.fluxctl(argv, { stdin: TOKEN })).exit).toBe(4);
    const path = join(world.home, '.config/fluxctl/config.yaml');
    expect(existsSync(path)).toBe(false);
    await given(
      { 'GET /v1/whoami': { json: fixed.whoami }, 'GET /v1/keys': { json: { items: [fixed.key], nextCursor: null } } },
      { FLUXCTL_TOKEN: '', FLUXCTL_SERVER: '' },
    );
    const ran = await world.fluxctl(['auth', 'login', '--server', stub.url, '--token-stdin'], { stdin: TOKEN });
    expect(ran.exit).toBe(0);
    expect(ran.stdout + ran.stderr).not.toContain(TOKEN);
    const made = join(world.home, '.config/fluxctl/config.yaml');
    expect([statSync(made).mode & 0o777, statSync(join(world.home, '.config/fluxctl')).mode & 0o777]).toEqual([0o600, 0o700]);
    expect((await world.fluxctl(['keys', 'list', '-o', 'name'])).stdout).toBe('key_01J9ZK\n');
    expect((await world.fluxctl(['auth', 'logout'])).exit).toBe(0);
    expect((await world.fluxctl(['keys', 'list'])).exit).toBe(4);
    expect(readFileSync(made, 'utf8')).not.toContain(TOKEN);
  });

  test('a token of another realm is not sent', async () => {
    await given({});
    const ran = await world.fluxctl(['keys', 'list', '--realm', 'staging']);
    expect([ran.exit, stub.seen.length]).toEqual([5, 0]);
  });

  test('--debug and errors show no secret', async () => {
    await given({ 'GET /v1/keys/a': problem(400, 'invalid_request', `odd: ${TOKEN}`) });
    const ran = await world.fluxctl(['keys', 'get', 'a', '--debug', '-v']);
    expect(ran.stderr).toContain('debug: GET /v1/keys/a → 400');
    expect(ran.stderr).not.toContain(TOKEN);
  });

  test('with token and server from the environment no configuration file is read', async () => {
    await given({ 'GET /v1/keys': { json: { items: [], nextCursor: null } } });
    writeFileSync(join(world.home, 'broken.yaml'), ':::: not yaml {');
    expect((await world.fluxctl(['keys', 'list'], { env: { FLUXCTL_CONFIG: join(world.home, 'broken.yaml') } })).exit).toBe(0);
    expect((await world.fluxctl(['context', 'list'], { env: { FLUXCTL_CONFIG: join(world.home, 'broken.yaml') } })).exit).toBe(2);
  });
});

describe('where the server comes from', () => {
  test('flag, then variable, then project file, then current context', async () => {
    await given({}, { FLUXCTL_TOKEN: '', FLUXCTL_SERVER: '' });
    const used = async (argv: string[], env: Record<string, string> = {}): Promise<string> =>
      JSON.parse((await world.fluxctl(['context', 'show', '-o', 'json', ...argv], { env })).stdout).name;
    for (const name of ['flag', 'env', 'project', 'current'])
      await world.fluxctl(['context', 'add', name, '--server', `https://${name}.example`]);
    await world.fluxctl(['context', 'use', 'current']);
    expect(await used([])).toBe('current');
    writeFileSync(join(world.home, '.fluxctl.yaml'), 'context: project\n');
    expect(await used([])).toBe('project');
    expect(await used([], { FLUXCTL_CONTEXT: 'env' })).toBe('env');
    expect(await used(['--context', 'flag'], { FLUXCTL_CONTEXT: 'env' })).toBe('flag');
  });

  test('a project file may name a context and nothing else', async () => {
    await given({}, { FLUXCTL_TOKEN: '', FLUXCTL_SERVER: '' });
    writeFileSync(join(world.home, '.fluxctl.yaml'), 'server: https://evil.example\n');
    const ran = await world.fluxctl(['context', 'show']);
    expect([ran.exit, ran.stderr]).toEqual([2, expect.stringContaining('may only name a context')]);
  });

  test('a context that was saved again with the same server is no conflict, another server is', async () => {
    await given({}, { FLUXCTL_TOKEN: '', FLUXCTL_SERVER: '' });
    const add = (server: string, ...more: string[]) =>
      world.fluxctl(['context', 'add', 'local', '--server', server, '--token-stdin', '--use', ...more], { stdin: TOKEN });
    expect((await add('http://127.0.0.1:8081')).exit).toBe(0);
    expect((await add('http://127.0.0.1:8081')).exit).toBe(0);
    expect((await add('http://127.0.0.1:9081')).exit).toBe(7);
    expect((await add('http://127.0.0.1:9081', '--replace')).exit).toBe(0);
  });
});

describe('configuration', () => {
  test('apply sends the files, prints the changes and the revision', async () => {
    await given({ 'POST /v1/config/apply': { json: fixed.applied } });
    writeFileSync(join(world.home, 'a.yaml'), 'route: /status\nauth: none\n');
    const ran = await world.fluxctl(['apply', '-f', 'a.yaml']);
    expect(stub.seen[0]!.body).toEqual({ files: [{ name: 'a.yaml', text: 'route: /status\nauth: none\n' }] });
    expect([ran.exit, ran.stdout]).toEqual([
      0,
      '+ route/status\n~ upstream/orders\n    timeout.connect: 5s -> 10s\n'.replace('route/status', 'route//status'),
    ]);
    expect(ran.stderr).toContain('revision 813');
  });

  test('apply of what the server refuses prints its diagnostics and exits 2', async () => {
    const errors = [{ file: 'a.yaml', line: 3, column: 5, message: 'unknown field `routs`', hint: 'did you mean `route`?' }];
    await given({ 'POST /v1/config/apply': problem(422, 'config_invalid', '1 mistake', { errors }) });
    writeFileSync(join(world.home, 'a.yaml'), 'x: 1\n');
    const ran = await world.fluxctl(['apply', '-f', 'a.yaml']);
    expect([ran.exit, ran.stdout]).toEqual([2, '']);
    expect(ran.stderr).toContain('a.yaml:3:5: unknown field `routs`');
    expect(ran.stderr).toContain('nothing was applied');
    const json = await world.fluxctl(['apply', '-f', 'a.yaml', '-o', 'json']);
    expect(JSON.parse(json.stderr).error.errors).toEqual(errors);
  });

  test('a dry run that finds differences is 10 with --exit-code', async () => {
    await given({ 'POST /v1/config/apply': { json: { ...fixed.applied, dryRun: true, revision: null, convergence: null } } });
    const dry = ['apply', '-f', '-', '--dry-run'];
    expect((await world.fluxctl(dry, { stdin: 'a: 1' })).exit).toBe(0);
    expect((await world.fluxctl([...dry, '--exit-code'], { stdin: 'a: 1' })).exit).toBe(10);
    expect(stub.seen[0]!.query).toEqual({ dryRun: 'true' });
  });

  test('validate judges offline: mistakes with their place are 2, warnings alone are 0', async () => {
    await given({});
    const bad = await world.fluxctl(['validate', '-f', '-'], { stdin: 'route: /x\nupstraem: y\nauth: none\n' });
    expect([bad.exit, bad.stdout]).toEqual([2, expect.stringMatching(/^<stdin>:2:1: .*upstraem/m)]);
    const fine = await world.fluxctl(['validate', '-f', '-'], { stdin: 'route: /x\nauth: none\n' });
    expect([fine.exit, fine.stdout]).toEqual([0, expect.stringContaining('warning')]);
    expect(stub.seen).toHaveLength(0);
  });

  test('a file that is not there, and a directory without YAML, are told by name', async () => {
    await given({});
    expect((await world.fluxctl(['validate', '-f', 'nope.yaml'])).stderr).toContain('nope.yaml');
    expect((await world.fluxctl(['validate', '-f', '.'])).exit).toBe(2);
  });
});

describe('checks', () => {
  test('auth verify exits 3 when the report says no, 0 in mode report', async () => {
    let mode = 'strict';
    await given({ 'POST /v1/auth/verify': () => ({ json: { ...fixed.report, mode } }) });
    const ran = await world.fluxctl(['auth', 'verify', '--endpoint', '/internal/gateway', '--mode', 'strict']);
    expect(ran.exit).toBe(3);
    expect(ran.stderr).toContain('upgrade gateway-2');
    mode = 'report';
    expect((await world.fluxctl(['auth', 'verify', '--endpoint', '/internal/gateway', '--mode', 'report'])).exit).toBe(0);
  });

  test('routes test exits 3 only for an expectation that fails', async () => {
    await given({ 'POST /v1/routes/test': { json: fixed.routeTest } });
    const base = ['routes', 'test', 'GET', '/api/v2/metrics'];
    expect((await world.fluxctl(base)).exit).toBe(0);
    expect((await world.fluxctl([...base, '--expect', 'route=/api/v2/metrics'])).exit).toBe(0);
    expect((await world.fluxctl([...base, '--expect', 'route=/other'])).exit).toBe(3);
  });

  test('nodes status exits 8 while a node is behind', async () => {
    await given({ 'GET /v1/nodes': { json: fixed.nodes }, 'GET /v1/revisions/812/convergence': { json: fixed.behind } });
    const ran = await world.fluxctl(['nodes', 'status']);
    expect(ran.exit).toBe(8);
    expect(ran.stderr).toContain('1/2 nodes converged');
  });
});

describe('secrets set', () => {
  test('reads the value from stdin without its last newline, and never from a flag', async () => {
    const entry = { path: 'secret/data/a', field: 'b', version: 1, updatedAt: '2026-09-29T09:12:00Z', updatedBy: 'ana' };
    await given({ 'PUT /v1/secrets': { json: { entry } } });
    const ran = await world.fluxctl(['secrets', 'set', 'secret/data/a#b', '--from-stdin'], { stdin: 'hunter2\n' });
    expect(ran.exit).toBe(0);
    expect(stub.seen[0]!.body).toEqual({ path: 'secret/data/a', field: 'b', value: 'hunter2' });
    expect(ran.stdout + ran.stderr).not.toContain('hunter2');
    const dry = await world.fluxctl(['secrets', 'set', 'secret/data/a#b', '--from-stdin', '--dry-run'], { stdin: 'hunter2\n' });
    expect([dry.exit, stub.seen.length]).toEqual([0, 1]);
    expect(dry.stdout + dry.stderr).not.toContain('hunter2');
  });
});

describe('secrets status and rotate-pepper', () => {
  test('status says what to do about a sealed vault and exits 3; a vault that answers shows the ring and exits 0', async () => {
    await given({ 'GET /v1/secrets/status': { json: fixed.sealed } });
    const sealed = await world.fluxctl(['secrets', 'status']);
    expect(sealed.exit).toBe(3);
    expect(sealed.stderr).toContain('unseal it');
    const pepper = {
      path: 'secret/data/api-keys',
      current: 2,
      pending: null,
      versions: [
        { version: 1, keys: 7 },
        { version: 2, keys: 1 },
      ],
      spread: { nodes: 2, reached: 2, pending: [] },
    };
    await given({ 'GET /v1/secrets/status': { json: { store: 'vault', ok: true, why: null, remedy: null, pepper } } });
    const well = await world.fluxctl(['secrets', 'status']);
    expect([well.exit, /1\s+7/.test(well.stdout)]).toEqual([0, true]);
  });

  test('rotate-pepper waits for the nodes, names those that lag, and exits 8 then', async () => {
    await given({ 'POST /v1/secrets/rotate-pepper': { json: fixed.pepperWaiting } });
    const ran = await world.fluxctl(['secrets', 'rotate-pepper']);
    expect([ran.exit, stub.seen[0]?.query['wait']]).toEqual([8, 'converged']);
    expect(ran.stderr).toContain('gateway-2');
  });
});

describe('lists', () => {
  test('come page by page until the limit', async () => {
    await given({
      'GET /v1/keys': (seen) => ({
        json: { items: [fixed.key], nextCursor: seen.query['cursor'] === undefined ? 'next' : null },
      }),
    });
    const ran = await world.fluxctl(['keys', 'list', '-o', 'json']);
    expect(JSON.parse(ran.stdout).items).toHaveLength(2);
    expect(stub.seen.map((seen) => seen.query['cursor'])).toEqual([undefined, 'next']);
  });

  test('an empty list is a document in json, a sentence in a table, 0 in both', async () => {
    await given({ 'GET /v1/keys': { json: { items: [], nextCursor: null } } });
    expect(await world.fluxctl(['keys', 'list', '-o', 'json'])).toEqual({
      exit: 0,
      stdout: '{\n  "items": [],\n  "nextCursor": null\n}\n',
      stderr: '',
    });
    expect(await world.fluxctl(['keys', 'list'])).toMatchObject({
      exit: 0,
      stdout: '',
      stderr: expect.stringContaining('no keys yet'),
    });
  });

  test('a name that would move the cursor is printed as text', async () => {
    await given({
      'GET /v1/keys': {
        json: { items: [{ ...fixed.key, owner: '\u001b[2J\u001b]0;x\u0007', name: 'a\u202eb' }], nextCursor: null },
      },
    });
    const ran = await world.fluxctl(['keys', 'list', '-o', 'wide']);
    expect(ran.stdout).not.toMatch(/[^\P{C}\n]/u);
    expect(ran.stdout).toContain('\\u001b[2J');
  });
});
