import { parseAddress } from '../access/address.ts';
import type { RealmConfig, RouteSpec, UpstreamSpec } from '../model.ts';
import type { Report } from '../plan/findings.ts';
import { identityHeadersOf, isIdentityHeader } from '../plan/identity.ts';
import { canonicalPrefix } from '../routing/target.ts';
import { type Direction, headerChangeProblem, headerValueProblem } from './headers.ts';
import type { HeaderChanges, Listener } from './model.ts';
import { readOrigin } from './origins.ts';
import { isHostName } from './transform.ts';

/** Rules about listeners, CORS, transforms and bounds that hold however a configuration came about. */

type Place = Pick<Parameters<Report>[0], 'object' | 'field'>;
const SETTINGS = { kind: 'settings', name: 'fluxgate' } as const;
const NODE_FILE = /^file:[^\p{Cc}]{1,1024}$/u;

function error(report: Report, place: Place, code: Parameters<Report>[0]['code'], message: string, remedy: string): void {
  report({ severity: 'error', code, ...place, message, remedy });
}

/** Host and port of `1.2.3.4:80` or `[::]:80`; null: it is neither. */
export function splitListenAddress(address: string): { readonly host: string; readonly port: number } | null {
  const shape = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(address);
  const host = shape?.[1] ?? shape?.[2];
  const port = Number(shape?.[3]);
  if (host === undefined || parseAddress(host) === null || port < 1 || port > 65_535) return null;
  return { host, port };
}

function judgeListener(listener: Listener, field: string, report: Report): void {
  const at = (name: string): Place => ({ object: SETTINGS, field: name === '' ? field : `${field}.${name}` });
  if (splitListenAddress(listener.address) === null)
    error(report, at('address'), 'listener_invalid', `"${listener.address}" is not an address and a port`, 'write 0.0.0.0:8443');
  const files = [
    ...listener.tls.flatMap((one, i) => [
      [`tls.${i}.cert`, one.cert],
      [`tls.${i}.key`, one.key],
    ]),
    ...(listener.clientCa === null ? [] : [['client_ca', listener.clientCa]]),
  ] as [string, string][];
  for (const [name, reference] of files)
    if (!NODE_FILE.test(reference) || reference.split('/').includes('..'))
      error(report, at(name), 'listener_invalid', 'TLS keys and certificates are files of the node', 'write file:server.pem');
  if (listener.clientCerts !== 'off' && (listener.clientCa === null || listener.tls.length === 0))
    error(
      report,
      at('client_certs'),
      'listener_invalid',
      'client certificates need TLS and a client_ca that says whose are believed',
      'add tls and client_ca, or write client_certs: off',
    );
}

function judgeListeners(config: RealmConfig, report: Report): void {
  const { listeners, trustedProxies } = config.settings;
  const seen = new Map<string, number>();
  listeners.forEach((listener, i) => {
    const field = `listeners.${i}`;
    judgeListener(listener, field, report);
    const first = seen.get(listener.address);
    if (first !== undefined)
      error(
        report,
        { object: SETTINGS, field: `${field}.address` },
        'listener_invalid',
        `${listener.address} stands in the list twice`,
        'keep one; several certificates go into one `tls` list',
      );
    seen.set(listener.address, i);
    if (listener.proxyProtocol !== 'off' && trustedProxies.length === 0)
      report({
        severity: 'warning',
        code: 'proxy_protocol_untrusted',
        object: SETTINGS,
        field: `${field}.proxy_protocol`,
        message: 'no proxy is trusted, so every connection to this listener is closed',
        remedy: 'name the load balancer: fluxgate: { trusted_proxies: ["10.0.0.0/8"] }',
      });
  });
}

function judgeChanges(changes: HeaderChanges, direction: Direction, at: Place, owned: ReadonlySet<string>, report: Report): void {
  const judge = (name: string, change: 'set' | 'add' | 'remove', value: string | null): void => {
    const place = { object: at.object, field: `${at.field}.${change}` };
    const problem = headerChangeProblem(name, direction, change);
    if (problem !== null) error(report, place, 'header_invalid', problem.why, problem.remedy);
    else if (direction === 'request' && isIdentityHeader(name, owned))
      error(
        report,
        place,
        'header_invalid',
        `${name} tells the upstream who is calling, or carries the key; only the gateway writes it`,
        'choose another name',
      );
    const wrong = value === null ? null : headerValueProblem(value);
    if (wrong !== null) error(report, place, 'header_invalid', `${name}: ${wrong.why}`, wrong.remedy);
  };
  for (const [name, value] of Object.entries(changes.set)) judge(name, 'set', value);
  for (const [name, value] of Object.entries(changes.add)) judge(name, 'add', value);
  for (const name of changes.remove) judge(name, 'remove', null);
}

function judgeRoute(route: RouteSpec, owned: ReadonlySet<string>, report: Report): void {
  const object = { kind: 'route', name: route.name } as const;
  const { cors, request, response } = route;
  if (cors !== null) {
    if (cors.origins === '*' && cors.credentials)
      error(
        report,
        { object, field: 'cors.credentials' },
        'cors_open',
        'any page on the web could act with the cookies of whoever looks at it: credentials do not go with origins "*"',
        'name the origins, or remove credentials',
      );
    if (cors.origins !== '*')
      for (const origin of cors.origins) {
        const reading = readOrigin(origin);
        if (!reading.ok)
          error(
            report,
            { object, field: 'cors.origins' },
            'cors_invalid',
            `"${origin}": ${reading.why}`,
            reading.remedy ?? 'remove it',
          );
      }
    if (cors.methods !== null && route.methods !== null)
      for (const method of cors.methods)
        if (!route.methods.includes(method))
          report({
            severity: 'warning',
            code: 'cors_invalid',
            object,
            field: 'cors.methods',
            message: `pages are told that they may use ${method}, and the route does not take it`,
            remedy: `add ${method} to methods, or remove it here`,
          });
  }
  if (request !== null) {
    if (!isHostName(request.host))
      error(
        report,
        { object, field: 'request.host' },
        'host_invalid',
        `"${request.host}" is not a host in lower case without a port`,
        'write preserve, upstream, or a name such as orders.internal',
      );
    judgeChanges(request, 'request', { object, field: 'request' }, owned, report);
    if (request.rewritePrefix !== null) {
      const prefix = canonicalPrefix(request.rewritePrefix);
      if (!prefix.ok || prefix.path !== request.rewritePrefix)
        error(
          report,
          { object, field: 'request.rewrite_prefix' },
          'prefix_invalid',
          prefix.ok ? `${request.rewritePrefix} is not written in its canonical form` : prefix.why,
          prefix.ok ? `write ${prefix.path}` : 'write a path such as /v2',
        );
      if (request.stripPrefix)
        error(
          report,
          { object, field: 'request.strip_prefix' },
          'prefix_invalid',
          'strip_prefix and rewrite_prefix both say what becomes of the prefix',
          'keep one',
        );
    }
  }
  if (response !== null) judgeChanges(response, 'response', { object, field: 'response' }, owned, report);
}

function judgeUpstream(upstream: UpstreamSpec, report: Report): void {
  const object = { kind: 'upstream', name: upstream.name } as const;
  const { tls } = upstream;
  if (tls === null) return;
  if (tls.ca !== null && (!NODE_FILE.test(tls.ca) || tls.ca.split('/').includes('..')))
    error(
      report,
      { object, field: 'tls.ca' },
      'upstream_tls',
      'certificates of authorities are files of the node',
      'write file:ca.pem',
    );
  if (!upstream.targets.some((target) => target.url.startsWith('https:')))
    report({
      severity: 'warning',
      code: 'upstream_tls',
      object,
      field: 'tls',
      message: 'no target is https://, so nothing is encrypted',
      remedy: 'write the targets with https://',
    });
  else if (!tls.verify)
    report({
      severity: 'warning',
      code: 'upstream_tls',
      object,
      field: 'tls.verify',
      message: 'without verification anybody between the gateway and the target can read and change everything',
      remedy: 'give the authority in tls.ca, and remove verify: false',
    });
}

export function judgeEdges(config: RealmConfig, report: Report): void {
  judgeListeners(config, report);
  for (const upstream of config.upstreams) judgeUpstream(upstream, report);
  const owned = identityHeadersOf(config, config.settings.apiKey?.headerName ?? null);
  for (const route of config.routes) judgeRoute(route, owned, report);
}
