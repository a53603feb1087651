import { isScope } from '../access/scopes.ts';
import { judgeEdges } from '../edges/judge.ts';
import type { RealmConfig, Settings } from '../model.ts';
import type { ConfigFinding, Report } from './findings.ts';
import { judgeCidrs, judgeHeaderName, judgeJwt, judgeOAuth2, judgeRate } from './judge-checks.ts';
import { judgeRoutes } from './judge-routes.ts';
import { unknownPlaceholders } from './template.ts';
import { parseTargetUrl } from './upstream.ts';

const SETTINGS = { kind: 'settings', name: 'fluxgate' } as const;

function judgeSettings(settings: Settings, report: Report): void {
  if (settings.publicUrl !== null && !/^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/.test(settings.publicUrl)) {
    report({
      severity: 'error',
      code: 'public_url_invalid',
      object: SETTINGS,
      field: 'public_url',
      message: `"${settings.publicUrl}" is not an absolute http or https URL`,
      remedy: 'write https://the.name.people.use',
    });
  }
  judgeCidrs(settings.trustedProxies, { object: SETTINGS, field: 'trusted_proxies' }, report);
  const key = settings.apiKey;
  if (key !== null) {
    judgeHeaderName(key.headerName, { object: SETTINGS, field: 'auth.api_key.header_name' }, false, report);
    const { status, body } = key.errorResponse;
    if (!Number.isInteger(status) || status < 400 || status > 499) {
      report({
        severity: 'error',
        code: 'error_status_invalid',
        object: SETTINGS,
        field: 'auth.api_key.error_response.status',
        message: `${status} does not tell the caller that the credential was refused`,
        remedy: 'write 401 (or 403)',
      });
    }
    for (const placeholder of unknownPlaceholders(body)) {
      report({
        severity: 'warning',
        code: 'error_placeholder_unknown',
        object: SETTINGS,
        field: 'auth.api_key.error_response.body',
        message: `nobody fills in ${placeholder}; it is sent as it stands`,
        remedy: 'use {{.TraceID}} or {{.Reason}}',
      });
    }
  }
  // A block that is switched off is inherited by nobody, but must still be whole when it is switched on.
  if (settings.jwt?.enabled === true) judgeJwt(settings.jwt, { object: SETTINGS, field: 'auth.jwt' }, report);
  if (settings.oauth2?.enabled === true)
    judgeOAuth2(settings.oauth2, settings, { object: SETTINGS, field: 'auth.oauth2' }, report);
}

function judgeUpstreams(config: RealmConfig, report: Report): void {
  const names = new Set<string>();
  for (const upstream of config.upstreams) {
    const object = { kind: 'upstream', name: upstream.name } as const;
    if (names.has(upstream.name)) {
      report({
        severity: 'error',
        code: 'duplicate_name',
        object,
        field: '',
        message: `two upstreams are named ${upstream.name}`,
        remedy: 'give each its own name',
      });
    }
    names.add(upstream.name);
    if (upstream.targets.length === 0) {
      report({
        severity: 'warning',
        code: 'upstream_empty',
        object,
        field: 'targets',
        message: 'an upstream without targets: its routes answer 503 no_upstream',
        remedy: 'add targets: ["http://127.0.0.1:9000"]',
      });
    }
    upstream.targets.forEach((target, i) => {
      const reading = parseTargetUrl(target.url);
      if (!reading.ok)
        report({
          severity: 'error',
          code: 'target_invalid',
          object,
          field: `targets.${i}`,
          message: reading.why,
          remedy: 'write http://host:port or https://host',
        });
      if (!Number.isInteger(target.weight) || target.weight < 0 || target.weight > 1000) {
        report({
          severity: 'error',
          code: 'target_invalid',
          object,
          field: `targets.${i}.weight`,
          message: 'a weight is a whole number from 0 to 1000',
          remedy: 'write weight: 1',
        });
      }
    });
    if (upstream.targets.length > 0 && upstream.targets.every((target) => target.weight === 0)) {
      report({
        severity: 'warning',
        code: 'upstream_empty',
        object,
        field: 'targets',
        message: 'every target has weight 0: its routes answer 503 no_upstream',
        remedy: 'give at least one target a weight',
      });
    }
  }
}

function judgeTiers(config: RealmConfig, report: Report): void {
  const names = new Set<string>();
  const scopes = new Map<string, string>();
  for (const tier of config.tiers) {
    const object = { kind: 'tier', name: tier.name } as const;
    if (names.has(tier.name)) {
      report({
        severity: 'error',
        code: 'duplicate_name',
        object,
        field: '',
        message: `two tiers are named ${tier.name}`,
        remedy: 'give each its own name',
      });
    }
    names.add(tier.name);
    if (!isScope(tier.scope)) {
      report({
        severity: 'error',
        code: 'scope_invalid',
        object,
        field: 'scope',
        message: `"${tier.scope}" is not a scope`,
        remedy: 'write one such as env:production',
      });
    }
    judgeRate(tier.rate, { object, field: 'rate' }, report);
    const earlier = scopes.get(tier.scope);
    if (earlier === undefined) scopes.set(tier.scope, tier.name);
    else {
      report({
        severity: 'warning',
        code: 'tier_shadowed',
        object,
        field: 'scope',
        message: `never applies: ${earlier} stands above it with the same scope ${tier.scope}`,
        remedy: `remove one of the two, or give ${tier.name} a scope of its own`,
      });
    }
  }
}

/** Everything that is wrong across objects, in one breath: errors and warnings in the order of the configuration. */
export function judgeConfig(config: RealmConfig): readonly ConfigFinding[] {
  const findings: ConfigFinding[] = [];
  const report: Report = (finding) => findings.push(Object.freeze(finding));
  judgeSettings(config.settings, report);
  judgeUpstreams(config, report);
  judgeTiers(config, report);
  judgeRoutes(config, report);
  judgeEdges(config, report);
  return findings;
}
