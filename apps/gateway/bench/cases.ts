import type { BenchKey, BenchKeys } from './keys.ts';

export const PEERS = ['haproxy', 'nginx', 'nginx+lua', 'caddy', 'fastify', 'express-gateway', 'tcp relay'] as const;
export type PeerName = (typeof PEERS)[number];

/** Requests that wrk hands out in turn, made once. */
export interface Requests {
  readonly keys: readonly string[];
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly bodyBytes: number;
}

/** One named figure: the same load on us and on every peer that takes part. */
export interface BenchCase {
  readonly name: string;
  readonly says: string;
  readonly peers: readonly PeerName[];
  readonly connections: number;
  /** On the TLS port of each. */
  readonly tls: boolean;
  readonly requests: (keys: BenchKeys) => Requests;
}

/** Lua for wrk. `thinkMs`: every connection pauses between its requests, 0 … 2 × thinkMs in whole milliseconds. */
export function wrkScript({ keys, method, path, bodyBytes }: Requests, thinkMs: number | null = null): string {
  const body = bodyBytes > 0 ? `string.rep("x", ${bodyBytes})` : 'nil';
  return `
local keys = {${keys.map((text) => `"${text}"`).join(',')}}
local requests = {}
init = function()
  for i = 1, #keys do
    requests[i] = wrk.format("${method}", "${path}", { ["X-FluxGate-API-Key"] = keys[i], ["Host"] = "127.0.0.1" }, ${body})
  end
end
local i = 0
request = function() i = i % #keys + 1 return requests[i] end
${thinkMs === null ? '' : `delay = function() return math.random(0, ${Math.max(1, Math.round(2 * thinkMs))}) end`}
`;
}

const texts = (keys: readonly BenchKey[]): readonly string[] => keys.map((key) => key.text);
const get = (keys: readonly string[], path: string): Requests => ({ keys, method: 'GET', path, bodyBytes: 0 });
const post = (keys: readonly BenchKey[], bodyBytes: number): Requests => ({
  keys: texts(keys),
  method: 'POST',
  path: '/api/v2/metrics',
  bodyBytes,
});

export const byKey = (keys: BenchKeys): Requests => get(texts(keys.plain), '/api/v2/metrics');
const BODIES = ['haproxy', 'nginx', 'caddy', 'tcp relay'] as const;
const plain = { connections: 64, tls: false } as const;

export const CASES: readonly BenchCase[] = [
  {
    ...plain,
    name: 'api-key',
    says: 'GET with an API key: digest, scope, tier rate and route rate; 300-byte answer',
    peers: PEERS,
    requests: byKey,
  },
  {
    ...plain,
    name: 'all-checks',
    says: 'the same behind an address list and a rate by address, the key confined to networks and routes',
    peers: ['haproxy', 'caddy', 'fastify'],
    requests: (keys) => get(texts(keys.confined), '/checked/x'),
  },
  {
    ...plain,
    name: 'tls',
    says: 'API key over TLS 1.3, kept connections',
    peers: ['haproxy', 'nginx', 'caddy'],
    requests: byKey,
  },
  {
    ...plain,
    name: 'answer-16k',
    says: '16 KiB answers',
    peers: BODIES,
    requests: (keys) => get(texts(keys.plain), '/api/v2/metrics/16k'),
  },
  {
    ...plain,
    name: 'answer-1m',
    says: '1 MiB answers',
    connections: 16,
    peers: BODIES,
    requests: (keys) => get(texts(keys.plain), '/api/v2/metrics/1m'),
  },
  {
    ...plain,
    name: 'upload-16k',
    says: '16 KiB request bodies',
    peers: BODIES,
    requests: (keys) => post(keys.plain.slice(0, 50), 16_384),
  },
  {
    ...plain,
    name: 'upload-1m',
    says: '1 MiB request bodies',
    connections: 16,
    peers: BODIES,
    requests: (keys) => post(keys.plain.slice(0, 4), 1_048_576),
  },
];

export const strangers = (keys: BenchKeys): Requests => get(keys.strangers, '/api/v2/metrics');
