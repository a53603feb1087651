import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { diagnose, emptyConfig, mergeConfig, parseConfig } from './index.ts';

const parse = (text: string) => parseConfig([{ name: 'a.yaml', text }]);
const told = (text: string): string[] => parse(text).diagnostics.map((one) => `${one.code}: ${one.message} → ${one.remedy}`);
const route = (fields: string) => parse(`route: /a\n${fields}`).input.routes[0];

test('what a route does at its edges reads as it is written, and what is left out is null', () => {
  expect(route('upstream: o')).toMatchObject({
    cors: null,
    bodyMaxBytes: null,
    request: null,
    response: null,
    websocket: null,
    serverTiming: false,
  });
  const full = route(`cors: { origins: "HTTPS://App.Example.com:443", credentials: true, max_age: 1h }
body: { max: 10MiB }
request: { set: { X-A: "1" }, add: { X-B: b }, remove: Cookie, rewrite_prefix: /v2/, host: Orders.internal }
response: { remove: [Server] }
websocket: { idle: 1m }
server_timing: true`);
  expect(full).toMatchObject({
    cors: { origins: ['https://app.example.com'], methods: null, headers: null, credentials: true, maxAgeMs: 3_600_000 },
    bodyMaxBytes: 10_485_760,
    request: { set: { 'X-A': '1' }, add: { 'X-B': 'b' }, remove: ['Cookie'], rewritePrefix: '/v2', host: 'orders.internal' },
    response: { set: {}, add: {}, remove: ['Server'] },
    websocket: { idleMs: 60_000, lifetimeMs: 86_400_000 },
    serverTiming: true,
  });
  expect(parse('fluxgate: { limits: { address: 200/s, head: 16KiB } }').input.settings.limits).toEqual({
    address: { rate: { limit: 200, perMs: 1000 }, burst: 200 },
    bodyBytes: null,
    headBytes: 16_384,
  });
});

test.each([
  ['route: /a\ncors: { origins: "*", credentials: true }', 'insecure', 'any page on the web'],
  ['route: /a\ncors: { origins: [app.example.com] }', 'bad_value', 'https://app.example.com'],
  ['route: /a\ncors: { origins: ["https://a.test/"] }', 'bad_value', 'has no path'],
  ['route: /a\ncors: { origins: ["null"] }', 'bad_value', 'sandboxed'],
  ['route: /a\ncors: { origins: ["https://a.test"], headers: ["*"] }', 'bad_value', 'leave the field out'],
  ['route: /a\nbody: { max: 10485760 }', 'bad_unit', 'write 10MiB'],
  ['route: /a\nbody: { max: 10MB }', 'bad_unit', 'write 10MiB'],
  ['route: /a\nrequest: { set: { Host: a } }', 'bad_value', 'host: upstream'],
  ['route: /a\nrequest: { set: { Content-Length: "1" } }', 'bad_value', 'frames the message'],
  ['route: /a\nrequest: { set: { X-FluxGate-Principal: root } }', 'bad_value', 'who is calling'],
  ['route: /a\nrequest: { add: { X-Forwarded-For: a } }', 'bad_value', 'gateway itself'],
  ['route: /a\nresponse: { set: { X-A: "a\\r\\nb" } }', 'bad_value', 'printable ASCII'],
  ['route: /a\nrequest: { set: { X-A: a }, remove: [x-a] }', 'conflict', 'keep one'],
  ['route: /a\nrequest: { strip_prefix: true, rewrite_prefix: /b }', 'conflict', 'keep one'],
  ['route: /a\nrequest: { rewrite_prefix: "/a/{id}" }', 'bad_value', 'path parameters'],
  ['route: /a\nmiddleware: [{ cors: {} }]', 'unknown_middleware', 'beside `middleware`'],
  ['route: /a\nstrip_prefix: true', 'unknown_field', 'request: { strip_prefix: true }'],
  ['fluxgate: { limits: { address_burst: 4 } }', 'missing_field', 'address: 200/s'],
  ['fluxgate: { limits: { address: 200 } }', 'bad_unit', '200/min'],
  ['listeners: [{ address: "0.0.0.0:1", tls: [{ cert: "vault:a#b", key: "file:a" }] }]', 'bad_value', 'never travel'],
  ['listeners: [{ address: "0.0.0.0:1", client_certs: required }]', 'missing_field', 'client_ca'],
  ['listeners: [{ address: "0.0.0.0:1", client_ca: "file:a" }]', 'conflict', 'client_certs: required'],
  ['upstreams: { a: { targets: ["https://a"], tls: { insecure: true } } }', 'unknown_field', 'verify: false'],
  ['upstreams: { a: { targets: ["http://a"], health: { status: 200 } } }', 'unknown_field', 'expect: [200]'],
])('%j is refused as %s and told what to write', (text, code, words) => {
  const found = told(text);
  expect(found.find((one) => one.startsWith(`${code}:`))).toContain(words);
  expect(found.join('\n')).not.toContain('→ null');
});

test('every example of the guide to the edges is a configuration that can be applied', () => {
  const guide = readFileSync(join(import.meta.dirname, '../../../../docs/edges.md'), 'utf8');
  const examples = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  expect(examples.length).toBeGreaterThan(5);
  for (const example of examples) {
    const withKeys = `fluxgate: { auth: { api_key: {} } }\n---\n${example}`;
    const { input, diagnostics, positions } = parseConfig([{ name: 'guide.yaml', text: withKeys }]);
    const found = [...diagnostics, ...diagnose(mergeConfig(emptyConfig(), input), positions)];
    expect(found.filter((one) => one.severity === 'error')).toEqual([]);
  }
});
