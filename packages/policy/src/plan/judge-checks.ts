import { cidrProblem } from '../access/cidr.ts';
import { isScope } from '../access/scopes.ts';
import type { JwtSettings, Middleware, OAuth2Settings, RouteSpec, Settings } from '../model.ts';
import { isCoverable, type SignatureSpec } from '../signatures/rules.ts';
import { algorithmOf } from '../tokens/algorithms.ts';
import { isTokenPreset, TOKEN_PRESETS } from '../tokens/scopes.ts';
import { authenticates } from './checks.ts';
import type { ConfigFinding, Report } from './findings.ts';
import { normaliseHeaderName } from './identity.ts';

/** Rules about middlewares and the global authentication blocks, wherever they stand. */

type Place = { readonly object: ConfigFinding['object']; readonly field: string };

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/; // RFC 9110 §5.6.2
/** Fields that mean framing, routing or credentials: a claim or a key must not sit in them. */
const RESERVED = new Set(
  'host connection content-length transfer-encoding te trailer upgrade keep-alive proxy-connection proxy-authorization proxy-authenticate expect forwarded x-forwarded-for x-forwarded-host x-forwarded-proto via date max-forwards content-type content-encoding range if-match if-none-match cookie set-cookie traceparent tracestate'.split(
    ' ',
  ),
);

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

export function judgeHeaderName(name: string, place: Place, forClaim: boolean, report: Report): void {
  const normalised = normaliseHeaderName(name);
  if (!TOKEN.test(name)) {
    report({
      severity: 'error',
      code: 'header_invalid',
      ...place,
      message: `"${name}" is not a header name`,
      remedy: 'write letters, digits and hyphens, such as X-User-Id',
    });
  } else if (RESERVED.has(normalised) || (forClaim && (normalised === 'authorization' || normalised.startsWith('x-fluxgate-')))) {
    report({
      severity: 'error',
      code: 'header_invalid',
      ...place,
      message: `${name} has a meaning of its own and cannot carry ${forClaim ? 'a claim' : 'a key'}`,
      remedy: `choose another name, such as ${forClaim ? 'X-User-Id' : 'X-FluxGate-API-Key'}`,
    });
  }
}

export function judgeJwt(jwt: JwtSettings, place: Place, report: Report): void {
  const at = (key: string): Place => ({ object: place.object, field: join(place.field, key) });
  if (jwt.issuer === null) {
    report({
      severity: 'error',
      code: 'jwt_issuer_missing',
      ...at('issuer'),
      message: 'jwt without an issuer would take tokens of anyone who signs with these keys',
      remedy: 'add issuer: the exact `iss` of the tokens',
    });
  }
  if (jwt.audience.length === 0) {
    report({
      severity: 'error',
      code: 'jwt_audience_missing',
      ...at('audience'),
      message: 'jwt without an audience would take tokens that the issuer made for another service',
      remedy: 'add audience: what the tokens for this API carry in `aud`',
    });
  }
  if (!isTokenPreset(jwt.preset)) {
    report({
      severity: 'error',
      code: 'preset_unknown',
      ...at('preset'),
      message: `there is no preset ${jwt.preset}`,
      remedy: `write one of ${Object.keys(TOKEN_PRESETS).join(', ')}`,
    });
  }
  for (const algorithm of jwt.algorithms) {
    if (algorithmOf(algorithm) === null) {
      report({
        severity: 'error',
        code: 'algorithm_refused',
        ...at('algorithm'),
        message: `${algorithm} is not an asymmetric signature algorithm`,
        remedy: 'write RS256, ES256 or ES384',
      });
    }
  }
  for (const [claim, header] of Object.entries(jwt.claimsToHeaders))
    judgeHeaderName(header, at(`claims_to_headers.${claim}`), true, report);
  judgeScopes(jwt.requiredScopes, at('required_scopes'), report);
}

export function judgeOAuth2(oauth2: OAuth2Settings, settings: Settings, place: Place, report: Report): void {
  if (oauth2.redirectUri === null && settings.publicUrl === null) {
    report({
      severity: 'warning',
      code: 'public_url_missing',
      object: place.object,
      field: join(place.field, 'redirect_uri'),
      message:
        'the callback URL cannot be built: there is neither fluxgate.public_url nor a redirect_uri; the route answers 503 public_url_missing',
      remedy: 'set fluxgate.public_url: https://the.name.people.use',
    });
  }
  judgeScopes(oauth2.scopes, { object: place.object, field: join(place.field, 'scopes') }, report);
  notEnforceable('oauth2', place, report);
}

function notEnforceable(what: string, place: Place, report: Report): void {
  report({
    severity: 'warning',
    code: 'not_enforceable',
    ...place,
    message: `this version does not enforce ${what} yet; a request that depends on it is answered 503 not_enforceable, never let through`,
    remedy: 'use api_key, alone or as an alternative in any_of, until it does',
  });
}

function judgeScopes(scopes: readonly string[], place: Place, report: Report): void {
  scopes.forEach((scope, i) => {
    if (!isScope(scope)) {
      report({
        severity: 'error',
        code: 'scope_invalid',
        object: place.object,
        field: join(place.field, String(i)),
        message: `"${scope}" is not a scope`,
        remedy: 'write visible ASCII without blanks, quotes and backslashes, such as read:metrics',
      });
    }
  });
}

export function judgeCidrs(cidrs: readonly string[], place: Place, report: Report): void {
  cidrs.forEach((text, i) => {
    const problem = cidrProblem(text);
    if (problem !== null) {
      report({
        severity: 'error',
        code: 'cidr_invalid',
        object: place.object,
        field: join(place.field, String(i)),
        message: problem,
        remedy: 'write an address or a network, such as 10.0.4.0/24 or 2001:db8::/32',
      });
    }
  });
}

export function judgeRate(rate: { readonly limit: number; readonly perMs: number }, place: Place, report: Report): void {
  if (!(rate.limit >= 1 && Number.isFinite(rate.limit)) || !(rate.perMs >= 1 && Number.isFinite(rate.perMs))) {
    report({
      severity: 'error',
      code: 'rate_invalid',
      ...place,
      message: 'a rate lets at least one request through per interval',
      remedy: 'write a rate such as 500/min',
    });
  }
}

function judgeSignature(signature: SignatureSpec, place: Place, report: Report): void {
  const { maxAgeMs, covers } = signature;
  if (!(maxAgeMs >= 1000 && maxAgeMs <= 3_600_000)) {
    report({
      severity: 'error',
      code: 'signature_invalid',
      object: place.object,
      field: join(place.field, 'signature_max_age'),
      message: 'the nonce of every signed request is remembered for this long: a second to an hour',
      remedy: 'write a time such as 300s',
    });
  }
  covers.forEach((name, i) => {
    if (isCoverable(name)) return;
    const lower = name.toLowerCase();
    report({
      severity: 'error',
      code: 'signature_invalid',
      object: place.object,
      field: join(place.field, `signature_covers.${i}`),
      message: `"${name}" is nothing that a request signature can cover`,
      remedy: isCoverable(lower)
        ? `write ${lower}`
        : 'write names of header fields in lower case, or @authority, @scheme, @target-uri',
    });
  });
}

/** One way in asks for a signature, another takes the bare key: whoever has seen the key needs no signature. */
function judgeAlternatives(of: readonly Middleware[], place: Place, report: Report): void {
  const keys = of.filter((one) => one.kind === 'api_key');
  const bare = of.findIndex((one) => one.kind === 'api_key' && one.signature === undefined);
  if (bare < 0 || keys.every((one) => one.signature === undefined)) return;
  report({
    severity: 'warning',
    code: 'signature_optional',
    object: place.object,
    field: join(place.field, String(bare)),
    message: 'beside an alternative that asks for a signature this one takes the bare key, so nobody has to sign',
    remedy: 'write signature: required here too',
  });
}

export function judgeMiddleware(route: RouteSpec, settings: Settings, report: Report): void {
  const object = { kind: 'route', name: route.name } as const;
  const open = route.auth === 'none';
  const visit = (one: Middleware, field: string): void => {
    const at = (key: string): Place => ({ object, field: join(field, key) });
    switch (one.kind) {
      case 'api_key':
        judgeScopes(one.scopes, at('api_key.scopes'), report);
        if (one.queryParameter !== null && !/^[A-Za-z0-9_.~-]{1,64}$/.test(one.queryParameter)) {
          report({
            severity: 'error',
            code: 'query_parameter_invalid',
            ...at('api_key.query_parameter'),
            message: `"${one.queryParameter}" would have to be escaped in a query`,
            remedy: 'write letters, digits, _ and -, such as api_key',
          });
        }
        if (one.signature !== undefined) judgeSignature(one.signature, at('api_key'), report);
        return;
      case 'jwt':
        judgeJwt(one.jwt, at('jwt'), report);
        return;
      case 'oauth2':
        judgeOAuth2(one.oauth2, settings, at('oauth2'), report);
        return;
      case 'ip_allow':
        judgeCidrs(one.cidrs, at('ip_allow'), report);
        if (one.cidrs.length === 0 && one.vpcEndpoints.length === 0) {
          report({
            severity: 'warning',
            code: 'ip_allow_empty',
            ...at('ip_allow'),
            message: 'an empty ip_allow lets nobody in',
            remedy: 'list the networks that may call, or remove ip_allow',
          });
        }
        if (one.vpcEndpoints.length > 0 && settings.trustedProxies.length === 0) {
          report({
            severity: 'warning',
            code: 'vpc_endpoint_untrusted',
            ...at('ip_allow'),
            message: 'VPC endpoint ids come from a PROXY header, and no proxy is trusted to send one: they match nothing',
            remedy: 'list the load balancer in fluxgate.trusted_proxies',
          });
        }
        return;
      case 'rate_limit':
        judgeRate(one.rate, at('rate_limit.rate'), report);
        if (!(one.burst >= 1)) {
          report({
            severity: 'error',
            code: 'rate_invalid',
            ...at('rate_limit.burst'),
            message: 'a burst below 1 lets nothing through',
            remedy: 'write a burst of at least 1',
          });
        }
        if (open && one.by === 'key') {
          report({
            severity: 'warning',
            code: 'rate_by_key_open',
            ...at('rate_limit.by'),
            message: 'on an open route there is no key to count by; the limit counts by address',
            remedy: 'write by: address',
          });
        }
        return;
      case 'any_of': {
        const ways = one.of.filter(authenticates).length;
        if (one.of.length === 0) {
          report({
            severity: 'error',
            code: 'any_of_empty',
            ...at('any_of'),
            message: 'an any_of without alternatives can never pass',
            remedy: 'list at least one alternative, or remove any_of',
          });
        } else if (ways > 0 && ways < one.of.length) {
          const beside = one.of.findIndex((each) => !authenticates(each));
          report({
            severity: 'error',
            code: 'any_of_mixed',
            ...at(`any_of.${beside}`),
            message: `the alternative ${one.of[beside]?.kind} proves no identity, so the others could be skipped`,
            remedy: 'move it out of any_of: everything in the middleware list must pass',
          });
        }
        judgeAlternatives(one.of, at('any_of'), report);
        for (const [i, each] of one.of.entries()) visit(each, join(field, `any_of.${i}`));
      }
    }
  };
  for (const [i, one] of route.middleware.entries()) visit(one, `middleware.${i}`);
}
