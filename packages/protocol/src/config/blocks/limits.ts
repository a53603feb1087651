import type { TierSpec } from '@fluxgate/policy';
import { scope } from '../names.ts';
import { type Block, block, defaulted, group, optional, required } from '../schema.ts';
import { integer, oneOf, rate } from '../values.ts';
import { onAuthorityLoss } from './api-key.ts';
import type { MiddlewareOf } from './middleware.ts';

const QUOTA = 'quotas belong to keys: `fluxctl keys generate … --quota 50000/d`';

export const TIER: Block<Omit<TierSpec, 'name'>> = group({
  title: 'a tier',
  example: '`{ scope: "env:staging", rate: 500/min }`',
  about:
    'The rate of every key that holds a scope. A key is in the first tier, in the order of the file, whose scope it holds; in none: no tier limit.',
  fields: {
    scope: required(scope, 'The scope that puts a key into this tier.', { example: '"env:production"' }),
    rate: required(rate, 'What a key of this tier may do, counted over all its versions.', { example: '5000/min' }),
  },
  foreign: {
    scopes: 'a tier has one `scope`',
    quota: QUOTA,
    limit: 'write `rate: 500/min`',
    requests_per_minute: 'write `rate: 500/min`',
    burst: 'a tier has no burst of its own; `rate_limit` on a route has',
    name: 'the name stands before the colon',
  },
});

export const RATE_LIMIT: Block<MiddlewareOf<'rate_limit'>> = block({
  title: '`rate_limit`',
  example: '`rate_limit: { rate: 100/s }`',
  about: 'At most so many requests on this route.',
  fields: {
    rate: required(rate, 'How many requests.', { example: '100/s' }),
    burst: optional(integer(1, 1_000_000_000, 'whole number from 1'), 'How many may come at once.', {
      example: '20',
      defaultText: 'the count of `rate`',
    }),
    by: defaulted(
      oneOf(['key', 'address'], (given) =>
        /^(ip|client|remote|source)/i.test(given)
          ? { why: 'the word here is `address`', remedy: '`address`' }
          : /^(consumer|credential|user)/i.test(given)
            ? { why: 'the word here is `key`', remedy: '`key`' }
            : null,
      ),
      'key',
      'Who shares one count: all requests of a key, or of a client address.',
    ),
    on_authority_loss: onAuthorityLoss('local'),
  },
  foreign: {
    limit: 'write `rate: 100/s`',
    second: 'write `rate: N/s`',
    minute: 'write `rate: N/min`',
    hour: 'write `rate: N/h`',
    window: 'the unit says it: `rate: 500/min`',
    requests: 'write `rate: 100/s`',
    count: 'write `rate: 100/s`',
    key: 'write `by: key` or `by: address`',
    limit_by: 'write `by: key` or `by: address`',
    policy: 'counts are exact on a node and leased over several; remove the line',
    quota: QUOTA,
  },
  build: (values) => ({
    kind: 'rate_limit',
    rate: values.rate,
    burst: values.burst ?? values.rate.limit,
    by: values.by,
    onAuthorityLoss: values.on_authority_loss,
  }),
  take: (model) => ({
    rate: model.rate,
    burst: model.burst === model.rate.limit ? null : model.burst,
    by: model.by,
    on_authority_loss: model.onAuthorityLoss,
  }),
});
