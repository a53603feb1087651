import { redactKeys } from '@fluxgate/policy';
import type { FieldError } from '../problem.ts';

const DEPTH_MAX = 32;

/**
 * Fields of a request that hold a FluxGate credential, by slip of the clipboard: stored as a name or a label it would stand in the
 * database, in the audit log and on every node. The path is told, the value never.
 */
export function credentialsIn(value: unknown, path = '', depth = 0): FieldError[] {
  if (typeof value === 'string') {
    if (redactKeys(value) === value) return [];
    const hint = 'leave it out, and rotate that key if others have seen this request';
    return [{ field: path, message: 'the value holds a FluxGate key or token, which is stored nowhere', hint }];
  }
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(redactKeys(name) === name ? [] : credentialsIn(name, `${path}.*`, depth + 1)),
    ...credentialsIn(inner, path === '' ? redactKeys(name) : `${path}.${redactKeys(name)}`, depth + 1),
  ]);
}
