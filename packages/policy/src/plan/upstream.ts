import { parseAddress } from '../access/address.ts';
import { PLAIN_UPSTREAM, type UpstreamEdges } from '../edges/model.ts';
import type { Balance, UpstreamSpec } from '../model.ts';
import { canonicalPrefix } from '../routing/target.ts';

export interface CompiledTarget {
  readonly url: string;
  /** Without brackets for IPv6. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly weight: number;
  /** Canonical path put before the request's, without a slash at its end; empty if there is none. */
  readonly basePath: string;
}
export interface CompiledUpstream extends UpstreamEdges {
  readonly name: string;
  readonly targets: readonly CompiledTarget[];
  readonly balance: Balance;
  readonly timeout: UpstreamSpec['timeout'];
  readonly health: UpstreamSpec['health'];
}

export const DEFAULT_UPSTREAM: Omit<UpstreamSpec, 'name' | 'targets'> = Object.freeze({
  ...PLAIN_UPSTREAM,
  balance: 'round_robin',
  timeout: Object.freeze({ connectMs: 2_000, firstByteMs: 30_000, idleMs: 60_000, totalMs: null }),
  health: null,
});

const URL_FORM =
  /^(https?):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?)(?::([0-9]{1,5}))?(\/[^?#]*)?$/;

export type TargetReading =
  | { readonly ok: true; readonly value: Omit<CompiledTarget, 'weight'> }
  | { readonly ok: false; readonly why: string };

/** `http://host[:port][/base]`: no user, no query, no fragment. */
export function parseTargetUrl(url: string): TargetReading {
  const found = URL_FORM.exec(url);
  if (found === null) {
    if (/^[a-z]+:\/\/[^/]*@/i.test(url)) return { ok: false, why: 'a target holds no user or password' };
    if (/^https?:\/\//.test(url)) return { ok: false, why: 'the target is not of the form http://host[:port][/base]' };
    return { ok: false, why: 'a target begins with http:// or https://' };
  }
  const tls = found[1] === 'https';
  let host = found[2] as string;
  if (host.startsWith('[')) {
    host = host.slice(1, -1);
    if (parseAddress(host) === null || !host.includes(':')) return { ok: false, why: `[${host}] is not an IPv6 address` };
  } else if (/^[0-9.]+$/.test(host) && parseAddress(host) === null) return { ok: false, why: `${host} is not an IPv4 address` };
  const port = found[3] === undefined ? (tls ? 443 : 80) : Number(found[3]);
  if (port < 1 || port > 65_535) return { ok: false, why: `${found[3]} is not a port` };
  const base = canonicalPrefix(found[4] ?? '/');
  if (!base.ok) return { ok: false, why: `the base path is not usable: ${base.why}` };
  return { ok: true, value: { url, host, port, tls, basePath: base.path === '/' ? '' : base.path } };
}

/** Targets that cannot be read are left out: the configuration was judged before, and the others still serve. null: none is left. */
export function compileUpstream(spec: UpstreamSpec): CompiledUpstream | null {
  const targets: CompiledTarget[] = [];
  for (const target of spec.targets) {
    const reading = parseTargetUrl(target.url);
    if (reading.ok && target.weight > 0) targets.push(Object.freeze({ ...reading.value, weight: target.weight }));
  }
  if (targets.length === 0) return null;
  return Object.freeze({
    name: spec.name,
    targets: Object.freeze(targets),
    balance: spec.balance,
    timeout: Object.freeze({ ...spec.timeout }),
    health: spec.health === null ? null : Object.freeze({ ...spec.health }),
    tls: spec.tls === null ? null : Object.freeze({ ...spec.tls }),
    maxConnections: spec.maxConnections,
    queue: spec.queue,
    retries: spec.retries,
    outlier: spec.outlier === null ? null : Object.freeze({ ...spec.outlier }),
  });
}
