import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type House, startHouse, startUpstream, type Upstream, until } from '../src/index.ts';
import { engines } from './engines.ts';
import { sampleConfig } from './sample-config.ts';

interface Answer {
  status: number;
  headers: Headers;
  body: string;
}

describe.each(engines)('a key is made, pushed and checked ($name)', (engine) => {
  let house: House;
  let upstream: Upstream;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    const database = await engine.open();
    drop = database.drop;
    upstream = await startUpstream();
    house = await startHouse({ nodes: 2, ...(database.databaseUrl === undefined ? {} : { databaseUrl: database.databaseUrl }) });
    await house.admin.apply(sampleConfig(upstream.url));
  }, 90_000);
  afterAll(async () => {
    await house?.stop();
    await upstream?.close();
    await drop?.();
  }, 60_000);

  const get = async (path: string, headers: Record<string, string> = {}, node = 0): Promise<Answer> => {
    const response = await fetch(`${house.nodes[node]?.url}${path}`, { headers, redirect: 'manual' });
    return { status: response.status, headers: response.headers, body: await response.text() };
  };
  const withKey = (key: string): Record<string, string> => ({ 'x-fluxgate-api-key': key });
  const issue = async (name: string, more: Record<string, unknown> = {}): Promise<string> => {
    const issued = await house.admin.generate({ name, ...more });
    expect(issued.convergence?.converged).toBe(true);
    expect(issued.convergence?.nodes).toBe(2);
    return issued.secret ?? '';
  };

  test('without a key every protected route answers 401 with a trace id, with the key 200, on every node', async () => {
    const key = await issue('analytics-service', { scopes: ['read:metrics'] });
    for (const node of [0, 1]) {
      const refused = await get('/internal/gateway', {}, node);
      expect(refused.status).toBe(401);
      expect(JSON.parse(refused.body)).toEqual({ error: 'invalid_api_key', trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) });
      expect((await get('/internal/gateway', withKey(key), node)).status).toBe(200);
      expect((await get('/api/v2/metrics', withKey(key), node)).status).toBe(200);
    }
  });

  test('the upstream is told who called and never sees the key; the trace id is the traceparent', async () => {
    const key = await issue('told', { scopes: ['read:metrics'], owner: 'team-a' });
    upstream.received.length = 0;
    const answer = await get('/api/v2/metrics/x?y=1', {
      ...withKey(key),
      'X-FluxGate-Principal': 'admin',
      x_fluxgate_owner: 'root',
    });
    expect(answer.status).toBe(200);
    const seen = upstream.received.at(-1);
    expect(seen?.url).toBe('/api/v2/metrics/x?y=1');
    expect(seen?.headers['x-fluxgate-principal']).toBe('told');
    expect(seen?.headers['x-fluxgate-owner']).toBe('team-a');
    expect(seen?.headers['x-fluxgate-scopes']).toBe('read:metrics');
    expect(seen?.headers['x-fluxgate-key-id']).toBe(key.split('_')[2]);
    expect(seen?.headers['x_fluxgate_owner']).toBeUndefined();
    expect(JSON.stringify(seen?.rawHeaders)).not.toContain(key);
    const traceparent = String(seen?.headers['traceparent']);
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    const traceId = answer.headers.get('x-fluxgate-trace-id');
    if (traceId !== null) expect(traceparent.split('-')[1]).toBe(traceId);
  });

  test('a revoked key is refused everywhere within a second of the command, and says why to its owner only', async () => {
    const key = await issue('to-be-revoked');
    expect((await get('/internal/gateway', withKey(key))).status).toBe(200);
    const beganMs = Date.now();
    await house.admin.revoke('to-be-revoked', false);
    for (const node of [0, 1])
      await until('the key is refused', async () => (await get('/internal/gateway', withKey(key), node)).status === 401, {
        everyMs: 2,
        deadlineMs: 5000,
      });
    expect(Date.now() - beganMs).toBeLessThan(1000);
    const answer = await get('/internal/gateway', withKey(key));
    expect(answer.headers.get('x-fluxgate-reason')).toBe('key_revoked');
    const damaged = await get('/internal/gateway', withKey(`${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`));
    expect(damaged.headers.get('x-fluxgate-reason')).toBeNull();
    expect(damaged.status).toBe(401);
  });

  test('a key is refused where its scopes, its routes or its addresses do not reach, and the missing scope is named', async () => {
    const scopeless = await issue('scopeless');
    const missing = await get('/api/v2/metrics', withKey(scopeless));
    expect(missing.status).toBe(403);
    expect(JSON.parse(missing.body)).toMatchObject({ error: 'insufficient_scope' });
    expect(missing.body + missing.headers.get('www-authenticate')).toContain('read:metrics');
    const elsewhere = await issue('elsewhere', { cidrs: ['10.0.4.0/24'] });
    expect((await get('/internal/gateway', withKey(elsewhere))).status).toBe(403);
    const local = await issue('local', { cidrs: ['127.0.0.0/8'] });
    expect((await get('/internal/gateway', withKey(local))).status).toBe(200);
    expect((await get('/partners', withKey(local))).status).toBe(403);
    const confined = await issue('confined', { routes: ['/internal/gateway'], scopes: ['read:metrics'] });
    expect((await get('/internal/gateway', withKey(confined))).status).toBe(200);
    expect((await get('/api/v2/metrics', withKey(confined))).status).toBe(403);
  });

  test('two keys in one request are ambiguous: 400, in two headers or in header and query', async () => {
    const key = await issue('doubled', { scopes: ['read:reports'] });
    expect((await get('/internal/gateway', { ...withKey(`${key}, ${key}`) })).status).toBeGreaterThanOrEqual(400);
    expect((await get(`/api/v2/reports?api_key=${key}`, withKey(key))).status).toBe(400);
  });

  test('a key in the query is accepted only where the route allows it, and is gone before the upstream', async () => {
    const key = await issue('in-query', { scopes: ['read:reports'] });
    upstream.received.length = 0;
    expect((await get(`/api/v2/reports?a=1&api_key=${key}&b=2`)).status).toBe(200);
    expect(upstream.received.at(-1)?.url).toBe('/api/v2/reports?a=1&b=2');
    expect((await get(`/internal/gateway?api_key=${key}`)).status).toBe(401);
  });

  test('only auth: none opens a route; what cannot be enforced or reached yet answers 503 with its reason; no route is 404', async () => {
    expect((await get('/public')).status).toBe(200);
    expect((await get('/publicity')).status).toBe(404);
    const key = await issue('anything');
    const app = await get('/app', withKey(key));
    expect([app.status, JSON.parse(app.body).error]).toEqual([503, 'not_enforceable']);
    // A key is no token: the route asks for one of its issuer.
    expect((await get('/api/v2/payments', withKey(key))).status).toBe(401);
    const nowhere = await get('/nowhere', withKey(key));
    expect([nowhere.status, JSON.parse(nowhere.body).error]).toEqual([503, 'no_upstream']);
    const method = await fetch(`${house.nodes[0]?.url}/api/v2/metrics`, { method: 'DELETE', headers: withKey(key) });
    expect(method.status).toBe(405);
    await method.text();
  });

  test('a tier follows from a scope and limits the key: over the rate is 429 with Retry-After', async () => {
    const key = await issue('staging', { scopes: ['env:staging'] });
    const statuses: number[] = [];
    let last: Answer | null = null;
    for (let n = 0; n < 6; n += 1) {
      last = await get('/internal/gateway', withKey(key));
      statuses.push(last.status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(last?.headers.get('ratelimit')).toContain('r=0');
  });

  test('an expired key is refused by the clock of the request, without any job having run', async () => {
    const key = await issue('short', { expiresInMs: 2500 });
    expect((await get('/internal/gateway', withKey(key))).status).toBe(200);
    const refused = await until('the key expires', async () => {
      const answer = await get('/internal/gateway', withKey(key));
      return answer.status === 401 ? answer : null;
    });
    expect(refused.headers.get('x-fluxgate-reason')).toBe('key_expired');
  });

  test('configuration with one bad document changes nothing', async () => {
    const before = await house.admin.call<{ revision: number; yaml: string }>('GET', '/v1/config/export');
    const bad = await house.admin.call('POST', '/v1/config/apply', {
      files: [{ name: 'x.yaml', text: 'route: /new\nupstream: metrics\n---\nroute: /other\nupstream: metrcis\ncolour: red\n' }],
    });
    expect(bad.status).toBe(422);
    expect(JSON.stringify(bad.body)).toContain('metrics');
    const after = await house.admin.call<{ revision: number; yaml: string }>('GET', '/v1/config/export');
    expect(after.body).toEqual(before.body);
    expect((await get('/new')).status).toBe(404);
  });

  test('bodies stream through in both directions, and a connection is used again', async () => {
    const key = await issue('bodies');
    const body = Buffer.alloc(3_000_000, 'x');
    for (let n = 0; n < 3; n += 1) {
      const response = await fetch(`${house.nodes[0]?.url}/internal/gateway`, { method: 'POST', body, headers: withKey(key) });
      expect(await response.json()).toEqual({ path: '/internal/gateway', bytes: body.length });
    }
  });
});
