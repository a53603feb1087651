import type { Operation } from '@fluxgate/protocol/admin';
import type { z } from 'zod';
import { type FieldError, invalid, type Problem } from '../problem.ts';
import { credentialsIn } from './credential-in-input.ts';

/** Why an issue of zod is one, for people: what is wrong and what would be right, never the value that was sent. */
function errorsOf(where: string, issues: readonly z.core.$ZodIssue[]): FieldError[] {
  return issues.flatMap((issue): FieldError[] => {
    const path = issue.path.map(String).join('.');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        field: [path, key].filter(Boolean).join('.'),
        message: `there is no such field in the ${where}`,
        hint: null,
      }));
    }
    return [{ field: path === '' ? where : path, message: issue.message, hint: null }];
  });
}

export interface Parsed {
  readonly query: unknown;
  readonly body: unknown;
}

/** Query and body by the schemas of the operation; every mistake of both in one answer. */
export function parseInput(operation: Operation, search: URLSearchParams, body: unknown): Problem | Parsed {
  const errors: FieldError[] = [];
  const given: Record<string, string> = {};
  for (const name of new Set(search.keys())) {
    const values = search.getAll(name);
    if (values.length > 1) errors.push({ field: name, message: 'the parameter is given more than once', hint: null });
    given[name] = values[0] ?? '';
  }
  let query: unknown = {};
  if (operation.query === null) {
    for (const name of Object.keys(given))
      errors.push({ field: name, message: 'the operation takes no query parameters', hint: null });
  } else {
    const result = operation.query.safeParse(given);
    if (result.success) query = result.data;
    else errors.push(...errorsOf('query', result.error.issues));
  }
  let content: unknown;
  if (operation.body !== null) {
    const result = operation.body.safeParse(body);
    if (result.success) content = result.data;
    else errors.push(...errorsOf('body', result.error.issues));
  } else if (body !== undefined && !(typeof body === 'object' && body !== null && Object.keys(body).length === 0)) {
    errors.push({ field: 'body', message: 'the operation takes no body', hint: null });
  }
  // The secret store is where a credential may be put; everything else is read back by somebody.
  if (operation.id !== 'secretsSet') errors.push(...credentialsIn(content), ...credentialsIn(query));
  return errors.length > 0 ? invalid(errors) : { query, body: content };
}

/** `30s`, `500ms`, `2m` in milliseconds; the query schema has checked the shape. At most five minutes. */
export function timeoutMs(text: string | undefined): number {
  const [, count, unit] = /^(\d+)(ms|s|m)$/.exec(text ?? '30s') ?? [];
  const factor = unit === 'ms' ? 1 : unit === 's' ? 1000 : 60_000;
  return Math.min(Number(count ?? 30) * factor, 300_000);
}
