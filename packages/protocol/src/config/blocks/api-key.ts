import type { ApiKeySettings } from '@fluxgate/policy';
import { credentialHeader, vaultPath } from '../names.ts';
import { nearest, quoted } from '../report.ts';
import { type Block, block, defaulted, group, pathText, section, type ValueType } from '../schema.ts';
import { duration, flag, integer, oneOf, orWord, upTo, wantScalar } from '../values.ts';

const PLACEHOLDERS = ['TraceID', 'Reason'];
const BODY_CHARS_MAX = 8192;

/** The text of a refusal, with `{{.TraceID}}` and `{{.Reason}}`. */
const bodyTemplate: ValueType<string> = {
  label: 'text with placeholders',
  read: (tree, at) => {
    const found = wantScalar(tree, at, 'text with placeholders');
    if (found === undefined) return undefined;
    if (typeof found.value !== 'string' || found.value.length > BODY_CHARS_MAX) {
      const why = typeof found.value === 'string' ? `may have ${BODY_CHARS_MAX} characters` : 'takes text';
      at.report.error(
        tree.at,
        'wrong_type',
        `\`${pathText(at)}\` ${why}`,
        `quote it: '{"error": "invalid_api_key", "trace_id": "{{.TraceID}}"}'`,
      );
      return undefined;
    }
    let isWhole = true;
    for (const [whole, name] of found.value.matchAll(/\{\{(?:\s*\.([A-Za-z]*)\s*\}\}|[^{}]{0,40}\}\})?/g)) {
      if (name !== undefined && PLACEHOLDERS.includes(name)) continue;
      const near = nearest(whole.replace(/[{}.\s]/g, ''), PLACEHOLDERS);
      const remedy = near === null ? PLACEHOLDERS.map((one) => `{{.${one}}}`).join(' or ') : `\`{{.${near}}}\``;
      at.report.error(tree.at, 'bad_value', `\`${pathText(at)}\`: ${quoted(whole)} stands for nothing`, remedy);
      isWhole = false;
    }
    if (isWhole && /^\s*[{[]/.test(found.value) && !isJson(found.value.replace(/\{\{\s*\.[A-Za-z]+\s*\}\}/g, 'x')))
      at.report.warn(
        tree.at,
        'bad_value',
        `\`${pathText(at)}\` looks like JSON and is none`,
        'check quotes, commas and brackets',
      );
    return isWhole ? found.value : undefined;
  },
  write: (value) => value,
};

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const VALIDATION = group({
  title: '`validation`',
  about: 'How long and how often a key is good.',
  fields: {
    algorithm: defaulted(
      oneOf(['HMAC-SHA256'], () => ({
        why: 'keys are stored as HMAC-SHA256 under a pepper, nothing else',
        remedy: '`HMAC-SHA256`',
      })),
      'HMAC-SHA256',
      'How keys are stored and compared.',
    ),
    max_age: defaulted(
      duration(1000, upTo(3650)),
      upTo(90),
      'A key made without an expiry of its own ends after this time, unless renewed.',
      { example: '7776000s', defaultText: '90d' },
    ),
    max_requests: defaulted(
      orWord('unlimited', integer(1, 1_000_000_000_000, 'whole number from 1')),
      'unlimited',
      'Requests one key version may make in its life.',
      { example: '10000' },
    ),
    fallback_action: defaulted(
      oneOf(['reject', 'last_known'], (given) =>
        /^(allow|pass|open|fail_?open|accept)$/i.test(given)
          ? {
              why: 'an outage never lets a request pass',
              remedy: '`last_known` judges by the last good state; `reject` answers 503',
            }
          : null,
      ),
      'reject',
      'When validation itself is impossible: `reject` answers 503, `last_known` judges by the last good state, however old.',
    ),
  },
  foreign: {
    ttl: 'write `max_age`',
    expiry: 'write `max_age`',
    expires_in: 'write `max_age`',
    quota: 'quotas belong to keys: `fluxctl keys generate … --quota 50000/d`',
  },
});

const ERROR_RESPONSE = group({
  title: '`error_response`',
  about: 'What a caller without a valid key gets.',
  fields: {
    status: defaulted(integer(400, 499, 'status 400–499'), 401, 'Status of the refusal.'),
    body: defaulted(
      bodyTemplate,
      '{"error":"invalid_api_key","trace_id":"{{.TraceID}}"}',
      'Body of the refusal. `{{.TraceID}}` and `{{.Reason}}` are filled in.',
    ),
  },
  foreign: {
    message: 'write `body`',
    code: 'write `status`',
    content_type: 'it follows from the body: JSON if the body is JSON',
  },
});

export const onAuthorityLoss = (fallback: 'deny' | 'local') =>
  defaulted(
    oneOf(['deny', 'local', 'allow']),
    fallback,
    'When the place that counts is out of reach: `deny` answers 503, `local` counts on this node alone, `allow` does not count. Shown in the metrics.',
  );

export const API_KEY: Block<ApiKeySettings> = block({
  title: '`fluxgate.auth.api_key`',
  about: 'API keys. Replaced as a whole when a file gives it.',
  fields: {
    enabled: defaulted(flag, true, 'Every route that names no authentication of its own takes API keys.'),
    header_name: defaulted(credentialHeader, 'X-FluxGate-API-Key', 'The header in which a caller presents the key.'),
    vault_path: defaulted(vaultPath, 'secret/data/api-keys', 'Where the pepper ring is kept in the secret store.'),
    validation: section(VALIDATION, 'How long and how often a key is good.'),
    error_response: section(ERROR_RESPONSE, 'What a caller without a valid key gets.'),
    on_authority_loss: onAuthorityLoss('deny'),
  },
  foreign: {
    header: 'write `header_name`',
    key_names: 'write `header_name`; a query parameter is allowed per route: `- api_key: { query_parameter: api_key }`',
    key_in_query: 'a query parameter is allowed per route: `- api_key: { query_parameter: api_key }`',
    query_parameter: 'a query parameter is allowed per route: `- api_key: { query_parameter: api_key }`',
    scopes: 'scopes are asked per route: `- api_key: { scopes: [...] }`',
    keys: 'keys are made by `fluxctl keys generate`, never in a file',
    pepper: 'the pepper is made and kept in the secret store: `vault_path`',
    secret: 'the pepper is made and kept in the secret store: `vault_path`',
    hide_credentials: 'the key is never sent upstream; remove the line',
  },
  build: (values) => ({
    enabled: values.enabled,
    headerName: values.header_name,
    vaultPath: values.vault_path,
    maxAgeMs: values.validation.max_age,
    maxRequests: values.validation.max_requests === 'unlimited' ? null : values.validation.max_requests,
    fallbackAction: values.validation.fallback_action,
    errorResponse: values.error_response,
    onAuthorityLoss: values.on_authority_loss,
  }),
  take: (model) => ({
    enabled: model.enabled,
    header_name: model.headerName,
    vault_path: model.vaultPath,
    validation: {
      algorithm: 'HMAC-SHA256' as const,
      max_age: model.maxAgeMs,
      max_requests: model.maxRequests ?? ('unlimited' as const),
      fallback_action: model.fallbackAction,
    },
    error_response: model.errorResponse,
    on_authority_loss: model.onAuthorityLoss,
  }),
});
