import { expect, test } from '@jest/globals';
import { isRefusalCode, REFUSALS, type RefusalCode, refuse } from './refusals.ts';

const statuses: Readonly<Record<string, readonly string[]>> = {
  400: ['bad_request', 'bad_target', 'missing_host', 'doubled_credential'],
  401: [
    'invalid_api_key',
    'key_expired',
    'key_revoked',
    'key_suspended',
    'budget_exhausted',
    'signature_missing',
    'signature_invalid',
    'signature_replayed',
    'missing_token',
    'invalid_token',
  ],
  403: ['address_not_allowed', 'insufficient_scope', 'route_not_permitted'],
  404: ['no_route'],
  405: ['method_not_allowed'],
  408: ['request_timeout'],
  411: ['length_required'],
  413: ['body_too_large'],
  414: ['target_too_long'],
  417: ['expectation_failed'],
  429: ['rate_limited', 'quota_exceeded'],
  431: ['header_too_large'],
  500: ['internal'],
  501: ['unknown_transfer_coding'],
  502: ['upstream_unreachable', 'upstream_bad_response'],
  503: [
    'not_enforceable',
    'no_upstream',
    'secret_missing',
    'public_url_missing',
    'authority_unavailable',
    'validation_unavailable',
    'keys_unavailable',
    'stale_state',
    'not_ready',
    'overloaded',
  ],
  504: ['upstream_timeout'],
  505: ['bad_version'],
};

test('every code answers with the status it promises, and there are no others', () => {
  const found: Record<string, string[]> = {};
  for (const [code, { status }] of Object.entries(REFUSALS)) {
    found[status] ??= [];
    found[status].push(code);
  }
  expect(Object.fromEntries(Object.entries(found).map(([status, codes]) => [status, codes.sort()]))).toEqual(
    Object.fromEntries(Object.entries(statuses).map(([status, codes]) => [status, [...codes].sort()])),
  );
});

test('an outage is never told as a wrong credential', () => {
  for (const [code, { status, scope }] of Object.entries(REFUSALS)) {
    if (scope === 'authority') expect([code, status]).toEqual([code, 503]);
    if (status === 401 || status === 403) expect([code, scope]).toEqual([code, 'credential']);
  }
});

test('every public sentence is a sentence', () => {
  for (const { sentence } of Object.values(REFUSALS)) expect(sentence).toMatch(/^[A-Z][^\n]{8,}\.$/);
  expect(new Set(Object.values(REFUSALS).map((one) => one.sentence)).size).toBe(Object.keys(REFUSALS).length);
});

test('a refusal is plain data', () => {
  expect(refuse('no_route', 'nothing at /x')).toEqual({ refused: true, code: 'no_route', because: 'nothing at /x' });
  expect(refuse('rate_limited', 'tier', { retryAfterMs: 5 })).toEqual({
    refused: true,
    code: 'rate_limited',
    because: 'tier',
    retryAfterMs: 5,
  });
  expect(refuse('insufficient_scope', 'x', { scope: 'read:metrics' })).toMatchObject({ scope: 'read:metrics' });
});

test('codes are told from other words', () => {
  const code: RefusalCode = 'internal';
  expect(isRefusalCode(code)).toBe(true);
  expect(isRefusalCode('toString')).toBe(false);
  expect(isRefusalCode('constructor')).toBe(false);
});

test('the catalogue cannot be changed', () => {
  expect(Object.isFrozen(REFUSALS)).toBe(true);
  expect(Object.values(REFUSALS).every(Object.isFrozen)).toBe(true);
});
