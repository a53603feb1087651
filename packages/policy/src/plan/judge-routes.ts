import type { RealmConfig, RouteSpec } from '../model.ts';
import { canonicalPrefix, routingPath } from '../routing/target.ts';
import { authenticates, inheritedAuthentication } from './checks.ts';
import { nearest, type Report } from './findings.ts';
import { judgeMiddleware } from './judge-checks.ts';
import { parseTargetUrl } from './upstream.ts';

const HOST =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$|^\[[0-9a-f:.]+\]$/;
const METHOD = /^[A-Z][A-Z0-9_-]{0,31}$/;

const shown = (route: RouteSpec): string => `${route.host ?? ''}${route.prefix}`;

function judgeShape(route: RouteSpec, report: Report): void {
  const object = { kind: 'route', name: route.name } as const;
  const prefix = canonicalPrefix(route.prefix);
  if (!prefix.ok) {
    report({
      severity: 'error',
      code: 'prefix_invalid',
      object,
      field: 'route',
      message: prefix.why,
      remedy: 'write a path prefix such as /api/v2/orders',
    });
  } else if (prefix.path !== route.prefix) {
    report({
      severity: 'error',
      code: 'prefix_invalid',
      object,
      field: 'route',
      message: `${route.prefix} is not written in its canonical form`,
      remedy: `write ${prefix.path}`,
    });
  }
  if (route.host !== null && !HOST.test(route.host)) {
    const fixed = route.host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
    report({
      severity: 'error',
      code: 'host_invalid',
      object,
      field: 'host',
      message: `"${route.host}" is not a host in lower case without a port`,
      remedy: HOST.test(fixed) ? `write ${fixed}` : 'write a name such as api.example.com, or leave host out for any',
    });
  }
  for (const method of route.methods ?? []) {
    if (!METHOD.test(method)) {
      const upper = method.toUpperCase();
      report({
        severity: 'error',
        code: 'method_invalid',
        object,
        field: 'methods',
        message: `"${method}" is not a method`,
        remedy: METHOD.test(upper) ? `write ${upper}` : 'write methods such as GET or POST',
      });
    }
  }
  if (route.methods !== null && route.methods.length === 0) {
    report({
      severity: 'error',
      code: 'method_invalid',
      object,
      field: 'methods',
      message: 'an empty list of methods takes no request',
      remedy: 'list methods, or leave the field out for any',
    });
  }
}

function judgeAuthentication(route: RouteSpec, inherits: boolean, report: Report): void {
  const object = { kind: 'route', name: route.name } as const;
  const own = route.middleware.some(authenticates);
  if (route.auth === 'none' && own) {
    report({
      severity: 'error',
      code: 'auth_contradiction',
      object,
      field: 'auth',
      message: 'auth: none opens the route, and its middleware asks for a credential',
      remedy: 'remove auth: none, or the middleware',
    });
  }
  if (route.auth !== 'none' && !own && !inherits) {
    report({
      severity: 'error',
      code: 'route_open',
      object,
      field: '',
      message: `${shown(route)} names no authentication, and no global one is enabled to inherit`,
      remedy: 'add a middleware (api_key, jwt, oauth2), enable fluxgate.auth.api_key, or write auth: none to open the route',
    });
  }
}

function judgeUpstream(route: RouteSpec, names: readonly string[], report: Report): void {
  const object = { kind: 'route', name: route.name } as const;
  if (route.upstream === null) {
    report({
      severity: 'warning',
      code: 'upstream_missing',
      object,
      field: 'upstream',
      message: `${shown(route)} has no upstream; it answers 503 no_upstream`,
      remedy: names.length > 0 ? `add upstream: ${names[0]}` : 'add upstream: http://127.0.0.1:9000',
    });
  } else if ('url' in route.upstream) {
    const reading = parseTargetUrl(route.upstream.url);
    if (!reading.ok)
      report({
        severity: 'error',
        code: 'target_invalid',
        object,
        field: 'upstream',
        message: reading.why,
        remedy: 'write http://host:port, or the name of an upstream',
      });
  } else if (!names.includes(route.upstream.name)) {
    const meant = nearest(route.upstream.name, names);
    report({
      severity: 'error',
      code: 'upstream_unknown',
      object,
      field: 'upstream',
      message: `there is no upstream named "${route.upstream.name}"`,
      remedy:
        meant !== null
          ? `did you mean ${meant}?`
          : names.length > 0
            ? `known: ${names.slice(0, 5).join(', ')}`
            : 'add it under upstreams, or write a URL',
    });
  }
}

function overlap(a: readonly string[] | null, b: readonly string[] | null): string | null {
  // Named methods beside a route for any: the named ones win, so nothing is ambiguous.
  if (a === null || b === null) return a === b ? 'any method' : null;
  const both = a.filter((method) => b.includes(method));
  return both.length === 0 ? null : both.join(', ');
}

function judgeDuplicates(routes: readonly RouteSpec[], report: Report): void {
  const names = new Set<string>();
  const places = new Map<string, RouteSpec[]>();
  for (const route of routes) {
    const object = { kind: 'route', name: route.name } as const;
    const prefix = canonicalPrefix(route.prefix);
    const place = `${route.host ?? ''} ${prefix.ok ? routingPath(prefix.path) : route.prefix}`;
    const others = places.get(place) ?? [];
    const twin = others.find((other) => overlap(other.methods, route.methods) !== null);
    if (twin !== undefined) {
      report({
        severity: 'error',
        code: 'duplicate_route',
        object,
        field: 'route',
        message: `${shown(route)} is already the route ${twin.name} for ${overlap(twin.methods, route.methods)}`,
        remedy: 'merge the two, or split them by methods or host',
      });
    } else if (names.has(route.name)) {
      report({
        severity: 'error',
        code: 'duplicate_name',
        object,
        field: 'name',
        message: `two routes are named ${route.name}`,
        remedy: 'give each route a name of its own (name: …)',
      });
    }
    names.add(route.name);
    others.push(route);
    places.set(place, others);
  }
}

export function judgeRoutes(config: RealmConfig, report: Report): void {
  const inherits = inheritedAuthentication(config) !== null;
  const upstreams = config.upstreams.map((one) => one.name);
  judgeDuplicates(config.routes, report);
  for (const route of config.routes) {
    judgeShape(route, report);
    judgeAuthentication(route, inherits, report);
    judgeUpstream(route, upstreams, report);
    judgeMiddleware(route, config.settings, report);
  }
}
