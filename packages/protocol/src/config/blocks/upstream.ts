import type { Outlier, UpstreamSpec, UpstreamTls } from '@fluxgate/policy';
import { host, targetUrl } from '../addresses.ts';
import { nodeFile } from '../names.ts';
import { type Block, block, defaulted, group, optional, placeOf, required, section, type ValueType } from '../schema.ts';
import { duration, flag, integer, listOf, oneOf, text, upTo } from '../values.ts';

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
    total: optional(duration(1, upTo(1)), 'From forwarding to the last byte of the answer.', {
      example: '5m',
      defaultText: 'no bound',
    }),
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
    path: defaulted(healthPath, '/', 'Path asked with GET.', { example: '/healthz' }),
    interval: defaulted(duration(100, upTo(1)), 5000, 'How often it is asked.'),
    timeout: defaulted(duration(10, upTo(1)), 2000, 'How long an answer may take.'),
    healthy: defaulted(integer(1, 100), 2, 'Good answers in a row that bring a target back.'),
    unhealthy: defaulted(integer(1, 100), 2, 'Bad ones in a row that take it out.'),
    expect: optional(
      listOf(integer(100, 599), { isLoneAllowed: true, max: 50, whyNotEmpty: 'no target could be well' }),
      'Statuses that are good.',
      {
        example: '[200]',
        defaultText: '200–399',
      },
    ),
  },
  foreign: {
    url: 'write `path`; the host is the target',
    threshold: 'write `healthy` and `unhealthy`',
    status: 'write `expect: [200]`',
    expected_status: 'write `expect: [200]`',
  },
  build: (values) => ({
    path: values.path,
    intervalMs: values.interval,
    timeoutMs: values.timeout,
    healthy: values.healthy,
    unhealthy: values.unhealthy,
    expect: values.expect,
  }),
  take: (model) => ({
    path: model.path,
    interval: model.intervalMs,
    timeout: model.timeoutMs,
    healthy: model.healthy,
    unhealthy: model.unhealthy,
    expect: model.expect,
  }),
});

/** What is asked and how often is written in any wording; `health: {}` would tell a reader nothing. */
const writeHealth: typeof HEALTH.write = (value, wording) => {
  const explicit = HEALTH.write(value, 'explicit');
  if (wording === 'explicit') return explicit;
  const terse = HEALTH.write(value, 'terse');
  return new Map([...explicit].filter(([name]) => name === 'path' || name === 'interval' || terse.has(name)));
};

const TLS: Block<UpstreamTls> = group({
  title: '`tls`',
  example: '`tls: { ca: "file:internal-ca.pem" }`',
  about: 'How targets with https:// are met.',
  fields: {
    ca: optional(nodeFile, 'Authorities besides the well-known ones, PEM; a file of the node, below its `FLUXGATE_TLS_DIR`.', {
      example: '"file:internal-ca.pem"',
    }),
    sni: optional(host, 'Name that the certificate must be for.', {
      example: 'orders.internal',
      defaultText: 'the host of the target',
    }),
    verify: defaulted(flag, true, 'Whether the certificate is checked.'),
  },
  foreign: {
    insecure: 'write `verify: false`',
    skip_verify: 'write `verify: false`',
    server_name: 'write `sni`',
    ca_cert: 'write `ca`',
  },
});

const OUTLIER: Block<Outlier> = block({
  title: '`outlier`',
  example: '`outlier: { failures: 5 }`',
  about: 'A target that fails is left out for a while.',
  fields: {
    failures: defaulted(integer(1, 1000), 5, 'Failures in a row that take it out.'),
    ejection: defaulted(duration(100, upTo(1)), 30_000, 'For how long.'),
  },
  foreign: { consecutive: 'write `failures`', duration: 'write `ejection`' },
  build: (values) => ({ failures: values.failures, ejectionMs: values.ejection }),
  take: (model) => ({ failures: model.failures, ejection: model.ejectionMs }),
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
    health: optional({ ...HEALTH, write: writeHealth }, 'Active health checks; left out: none.', {
      shows: HEALTH.fields,
    }),
    tls: optional(TLS, 'How targets with https:// are met.', { shows: TLS.fields }),
    max_connections: optional(integer(1, 100_000), 'Most connections to one target, per worker.', {
      example: '512',
      defaultText: '512',
    }),
    queue: optional(integer(0, 1_000_000), 'Requests that may wait for a connection to one target, per worker.', {
      example: '1024',
      defaultText: '1024',
    }),
    retries: optional(integer(0, 10), 'How often a request is sent again where that is safe.', {
      example: '1',
      defaultText: '1',
    }),
    outlier: optional(
      { ...OUTLIER, write: (value) => OUTLIER.write(value, 'explicit') },
      'A target that fails is left out for a while.',
      {
        shows: OUTLIER.fields,
      },
    ),
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
    outlier_detection: 'write `outlier: { failures: 5, ejection: 30s }`',
    passive: 'write `outlier: { failures: 5, ejection: 30s }`',
    max_conns: 'write `max_connections`',
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
      timeout: {
        connectMs: values.timeout.connect,
        firstByteMs: values.timeout.first_byte,
        idleMs: values.timeout.idle,
        totalMs: values.timeout.total,
      },
      health: values.health,
      tls: values.tls,
      maxConnections: values.max_connections,
      queue: values.queue,
      retries: values.retries,
      outlier: values.outlier,
    };
  },
  take: (model) => ({
    targets: model.targets,
    balance: model.balance,
    timeout: {
      connect: model.timeout.connectMs,
      first_byte: model.timeout.firstByteMs,
      idle: model.timeout.idleMs,
      total: model.timeout.totalMs,
    },
    health: model.health,
    tls: model.tls,
    max_connections: model.maxConnections,
    queue: model.queue,
    retries: model.retries,
    outlier: model.outlier,
  }),
});
