import { expect, test } from '@jest/globals';
import { endpointPath, endpoints } from './endpoints.ts';
import { examples } from './examples.ts';
import { openApiDocument } from './openapi.ts';
import { type Operation, operations } from './operations.ts';
import { problemKinds } from './problems.ts';

type Json = Record<string, unknown>;
const document = openApiDocument('1.2.3') as {
  paths: Record<string, Record<string, Json>>;
  components: { schemas: Record<string, Json> };
};
const described = Object.values(document.paths).flatMap((path) => Object.values(path));

function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => (key === '$ref' && typeof item === 'string' ? [item] : references(item)));
}

test('the document describes every operation of the table once, by its own id', () => {
  expect(described.map((one) => one['operationId']).sort()).toEqual(Object.keys(operations).sort());
  for (const [id, operation] of Object.entries(operations)) expect(operation.id).toBe(id);
  expect(Object.keys(endpoints).sort()).toEqual(Object.keys(operations).sort());
});

test('every reference in the document leads somewhere', () => {
  const all = references(document);
  expect(all.length).toBeGreaterThan(100);
  for (const reference of all)
    expect(document.components.schemas).toHaveProperty([reference.replace('#/components/schemas/', '')]);
});

test('every problem an operation may answer is in the document under its status', () => {
  for (const operation of Object.values(operations) as Operation[]) {
    const responses = document.paths[operation.path]?.[operation.method.toLowerCase()]?.['responses'] as Record<string, Json>;
    for (const code of operation.problems)
      expect(responses[String(problemKinds[code].status)]?.['x-problem-codes']).toContain(code);
    expect(responses).toHaveProperty(String(operation.status));
    expect(responses).toHaveProperty('503');
  }
});

test('every example is a request that its operation accepts', () => {
  for (const [id, example] of Object.entries(examples)) {
    const { body } = operations[id as keyof typeof operations] as Operation;
    expect({ id, result: body?.safeParse(example.request).error ?? 'accepted' }).toEqual({ id, result: 'accepted' });
  }
});

test('every POST takes an Idempotency-Key and every list takes a cursor', () => {
  const named = (one: Json) => (one['parameters'] as Json[]).map((parameter) => parameter['name']);
  for (const path of Object.values(document.paths))
    if (path['post'] !== undefined) expect(named(path['post'])).toContain('Idempotency-Key');
  expect(named(document.paths['/v1/keys']?.['get'] ?? {})).toEqual(expect.arrayContaining(['cursor', 'limit', 'search', 'due']));
});

test('a path parameter is one segment whatever it holds', () => {
  expect(endpointPath('routesGet', { route: 'api.example.com/orders' })).toBe('/v1/routes/api.example.com%2Forders');
  expect(() => endpointPath('routesGet', {})).toThrow('route');
});
