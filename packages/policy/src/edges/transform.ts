import { canonicalPrefix } from '../routing/target.ts';
import { type Direction, headerChangeProblem, headerValueProblem } from './headers.ts';
import type { HeaderChanges, RequestChanges } from './model.ts';

/** Changes of headers, ready to be made: what goes, and what comes in its place. Flat lists: name, value, name, value … */
export interface CompiledHeaders {
  /** Lower-case names that are dropped: removed ones, and those that are set. */
  readonly drop: readonly string[];
  /** Put in place: what is set, then what is added. */
  readonly put: readonly string[];
}

export interface CompiledRequest {
  /** null: no header changes. */
  readonly headers: CompiledHeaders | null;
  /** null: the path goes upstream as it is. */
  readonly path: PathChange | null;
  /** null: as the client sent it; '': the target's own; else this. */
  readonly host: string | null;
}

export interface PathChange {
  /** Segments of the route's prefix that are cut off. */
  readonly segments: number;
  /** Put before the rest; without a slash at its end. */
  readonly prefix: string;
  /** What was cut off, for `X-Forwarded-Prefix`; empty: nothing. */
  readonly cut: string;
}

export function compileHeaders(
  changes: HeaderChanges,
  direction: Direction,
  owned: (name: string) => boolean,
): CompiledHeaders | null {
  const drop: string[] = [];
  const put: string[] = [];
  const mayChange = (name: string, change: 'set' | 'add' | 'remove'): boolean =>
    headerChangeProblem(name, direction, change) === null && !(direction === 'request' && owned(name));
  const place = (name: string, value: string): void => {
    if (headerValueProblem(value) === null) put.push(name, value);
  };
  for (const name of changes.remove) if (mayChange(name, 'remove')) drop.push(name.toLowerCase());
  for (const [name, value] of Object.entries(changes.set)) {
    if (!mayChange(name, 'set')) continue;
    drop.push(name.toLowerCase());
    place(name, value);
  }
  for (const [name, value] of Object.entries(changes.add)) if (mayChange(name, 'add')) place(name, value);
  return drop.length === 0 && put.length === 0 ? null : Object.freeze({ drop: Object.freeze(drop), put: Object.freeze(put) });
}

const HOST =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$|^\[[0-9a-f:.]+\]$/;

/** Lower case, without a port: what a route may name as the Host of its upstream. */
export const isHostName = (text: string): boolean => HOST.test(text);

const segmentsOf = (prefix: string): number => (prefix === '/' ? 0 : prefix.split('/').length - 1);

/** null: nothing is changed. `owned`: fields that only the gateway writes upstream. */
export function compileRequest(
  changes: RequestChanges,
  prefix: string,
  owned: (name: string) => boolean,
): CompiledRequest | null {
  const headers = compileHeaders(changes, 'request', owned);
  const path = compilePath(changes, prefix);
  const host = changes.host === 'upstream' ? '' : isHostName(changes.host) && changes.host !== 'preserve' ? changes.host : null;
  return headers === null && path === null && host === null ? null : Object.freeze({ headers, path, host });
}

function compilePath(changes: RequestChanges, prefix: string): PathChange | null {
  if (!changes.stripPrefix && changes.rewritePrefix === null) return null;
  const own = canonicalPrefix(prefix);
  const target = changes.rewritePrefix === null ? null : canonicalPrefix(changes.rewritePrefix);
  // A prefix that cannot be read is reached by no request; a target that cannot be read was judged before.
  if (!own.ok || (target !== null && !target.ok)) return null;
  const put = target === null || target.path === '/' ? '' : target.path;
  if (own.path === '/' && put === '') return null;
  return Object.freeze({ segments: segmentsOf(own.path), prefix: put, cut: own.path === '/' ? '' : own.path });
}

/**
 * The path as the upstream gets it. Counted in segments, because the prefix may be spelled in several ways that mean the same
 * (`%40`, `@`). Canonical in, canonical out: whole segments leave, and whole canonical segments come.
 */
export function changedPath(path: string, change: PathChange): string {
  let at = 0;
  for (let left = change.segments; left > 0; left -= 1) {
    at = path.indexOf('/', at + 1);
    if (at < 0) {
      at = path.length;
      break;
    }
  }
  const rest = path.slice(at);
  const whole = change.prefix + rest;
  return whole === '' ? '/' : whole;
}
