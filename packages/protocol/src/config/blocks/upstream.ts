import type { UpstreamSpec } from '@fluxgate/policy';
import { targetUrl } from '../addresses.ts';
import { type Block, block, defaulted, group, optional, placeOf, required, section, type ValueType } from '../schema.ts';
import { duration, integer, listOf, oneOf, text, upTo } from '../values.ts';

type Target = UpstreamSpec['targets'][number];

const TARGET: Block<Target> = group({
  title: 'a target',
  label: '`{ url, weight }`',
  about: 'One address of an upstream.',
  fields: {
    url: required(targetUrl, 'Address of the target.', { example: 'http://127.0.0.1:9001' }),
    weight: defaulted(integer(0, 1000), 1, 'Share of the requests, relative to the other targets; 0 takes it out.'),
  },
  foreign: {
    host: 'write `url: http://host:port`',
    port: 'write `url: http://host:port`',
    target: 'write `url`',
    address: 'write `url: http://host:port`',
  },
});

/** A bare URL is a target of weight 1. */
const target: ValueType<Target> = {
  label: 'URL or `{ url, weight }`',
  read: (tree, at) => {
    if (tree.kind !== 'scalar') return TARGET.read(tree, at);
    const only = targetUrl.read(tree, at);
    return only === undefined ? undefined : { url: only, weight: 1 };
  },
  write: (value, wording) => (wording === 'terse' && value.weight === 1 ? value.url : TARGET.write(value, wording)),
};

const TIMEOUT = group({
  title: '`timeout`',
  example: '`timeout: { connect: 2s, first_byte: 30s, idle: 60s }`',
  about: 'How long FluxGate waits for a target.',
  fields: {
    connect: defaulted(duration(1, upTo(1)), 2000, 'Until the connection stands.'),
    first_byte: defaulted(duration(1, upTo(1)), 30_000, 'From the request sent to the first byte of the answer.'),
    idle: defaulted(
      duration(1, upTo(1)),
      60_000,
      'Longest silence within a transfer, and how long an unused connection is kept.',
    ),
  },
  foreign: {
    read: 'write `first_byte` (until the answer begins) and `idle` (silence within it)',
    write: 'write `idle`',
    send: 'write `idle`',
    response: 'write `first_byte`',
  },
});

const healthPath = text({
  label: 'path',
  check: (value) => (value.startsWith('/') && !/[\s#]/.test(value) ? null : { why: 'it is no path', remedy: '`/healthz`' }),
});

const HEALTH = block({
  title: '`health`',
  example: '`health: { path: /healthz }`',
  about: 'Active health checks.',
  fields: {
    path: defaulted(healthPath, '/', 'Path asked with GET; any answer below 500 is healthy.', { example: '/healthz' }),
    interval: defaulted(duration(100, upTo(1)), 5000, 'How often it is asked.'),
  },
  foreign: { url: 'write `path`; the host is the target', timeout: 'the timeout of the upstream holds; remove the line' },
  build: (values) => ({ path: values.path, intervalMs: values.interval }),
  take: (model) => ({ path: model.path, interval: model.intervalMs }),
});

export const UPSTREAM: Block<Omit<UpstreamSpec, 'name'>> = block({
  title: 'an upstream',
  example: '`{ targets: ["http://127.0.0.1:9000"] }`',
  about: 'A service behind the gateway.',
  fields: {
    targets: required(
      listOf(target, { whyNotEmpty: 'the upstream would have no address', max: 256 }),
      'Addresses of the service.',
      { example: '["http://127.0.0.1:9000"]' },
    ),
    balance: defaulted(
      oneOf(['round_robin', 'least_requests', 'consistent_hash'], (given) => {
        const word = given.toLowerCase().replace(/[-_ ]/g, '');
        if (/^least/.test(word)) return { why: 'the word here is `least_requests`', remedy: '`least_requests`' };
        if (/hash/.test(word)) return { why: 'the word here is `consistent_hash`', remedy: '`consistent_hash`' };
        return null;
      }),
      'round_robin',
      'How a target is chosen.',
    ),
    timeout: section(TIMEOUT, 'How long FluxGate waits.'),
    health: optional({ ...HEALTH, write: (value) => HEALTH.write(value, 'explicit') }, 'Active health checks; left out: none.', {
      shows: HEALTH.fields,
    }),
  },
  foreign: {
    url: 'write `targets: [URL]`',
    urls: 'write `targets`',
    target: 'write `targets: [URL]`',
    servers: 'write `targets`',
    nodes: 'write `targets`, each `{ url, weight }`',
    endpoints: 'write `targets`',
    hosts: 'write `targets`',
    algorithm: 'write `balance`',
    type: 'write `balance`',
    load_balancing: 'write `balance`',
    connect_timeout: 'write `timeout: { connect: 2s }`',
    read_timeout: 'write `timeout: { first_byte: 30s, idle: 60s }`',
    write_timeout: 'write `timeout: { idle: 60s }`',
    healthchecks: 'write `health: { path: /, interval: 5s }`',
    health_check: 'write `health: { path: /, interval: 5s }`',
    retries: 'FluxGate retries only what is safe to repeat, by itself; remove the line',
    name: 'the name stands before the colon: `upstreams: { orders: { … } }`',
  },
  build: (values, at, tree) => {
    const seen = new Set<string>();
    values.targets.forEach((one, index) => {
      const address = new URL(one.url).href;
      if (seen.has(address))
        at.report.error(
          placeOf(at, ['targets', index], tree.at),
          'conflict',
          'the same target stands here twice',
          'give it a `weight` instead',
        );
      seen.add(address);
    });
    return {
      targets: values.targets,
      balance: values.balance,
      timeout: { connectMs: values.timeout.connect, firstByteMs: values.timeout.first_byte, idleMs: values.timeout.idle },
      health: values.health,
    };
  },
  take: (model) => ({
    targets: model.targets,
    balance: model.balance,
    timeout: { connect: model.timeout.connectMs, first_byte: model.timeout.firstByteMs, idle: model.timeout.idleMs },
    health: model.health,
  }),
});
