import { randomBytes } from 'node:crypto';
import { encodeKid, encodeSecret, formatKey } from '@fluxgate/policy';
import type { BenchKeys } from './keys.ts';

/** One named figure. */
export interface BenchCase {
  readonly name: string;
  readonly says: string;
  readonly connections: number;
  readonly expectRefusals: boolean;
  /** Environment of our own process. */
  readonly env: Readonly<Record<string, string>>;
  /** Lua for wrk: requests are made once and then only handed out. */
  script(keys: BenchKeys): string;
}

const keyList = (texts: readonly string[]): string => texts.map((text) => `"${text}"`).join(',');

const lua = (texts: readonly string[], method: string, path: string, bodyBytes = 0): string => `
local keys = {${keyList(texts)}}
local requests = {}
init = function()
  for i = 1, #keys do
    requests[i] = wrk.format("${method}", "${path}", { ["X-FluxGate-API-Key"] = keys[i], ["Host"] = "bench.test" }, ${bodyBytes > 0 ? `string.rep("x", ${bodyBytes})` : 'nil'})
  end
end
local i = 0
request = function() i = i % #keys + 1 return requests[i] end
`;

const good = (keys: BenchKeys): string[] => keys.keys.map((key) => key.text);
/** Well-formed keys that nobody was given. */
const bad = (keys: BenchKeys): string[] =>
  keys.keys.map(() => formatKey('k', 'live', encodeKid(randomBytes(16)), encodeSecret(randomBytes(32))));

const plain = { connections: 64, expectRefusals: false, env: {} } as const;

export const CASES: readonly BenchCase[] = [
  {
    ...plain,
    name: 'api-key',
    says: 'GET, API key, scope, tier and rate limit, 300-byte answer',
    script: (keys) => lua(good(keys), 'GET', '/api/v2/metrics'),
  },
  {
    ...plain,
    name: 'all-checks',
    says: 'the same behind an address list',
    script: (keys) => lua(good(keys), 'GET', '/checked/x'),
  },
  {
    ...plain,
    name: 'bad-keys',
    says: '401 storm: well-formed keys that nobody was given',
    expectRefusals: true,
    script: (keys) => lua(bad(keys), 'GET', '/api/v2/metrics'),
  },
  {
    ...plain,
    name: 'routes-1000',
    says: 'API key among 1 000 routes',
    env: { BENCH_ROUTES: '1000' },
    script: (keys) => lua(good(keys), 'GET', '/api/v2/metrics'),
  },
  { ...plain, name: 'answer-16k', says: '16 KiB answers', script: (keys) => lua(good(keys), 'GET', '/api/v2/metrics/16k') },
  {
    ...plain,
    name: 'answer-1m',
    says: '1 MiB answers',
    connections: 16,
    script: (keys) => lua(good(keys), 'GET', '/api/v2/metrics/1m'),
  },
  {
    ...plain,
    name: 'upload-16k',
    says: '16 KiB request bodies',
    script: (keys) => lua(good(keys).slice(0, 50), 'POST', '/api/v2/metrics', 16_384),
  },
  {
    ...plain,
    name: 'upload-1m',
    says: '1 MiB request bodies',
    connections: 16,
    script: (keys) => lua(good(keys).slice(0, 4), 'POST', '/api/v2/metrics', 1_048_576),
  },
];
