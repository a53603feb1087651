import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  type CidrSet,
  type CompiledTier,
  compileCidrs,
  type Grant,
  headerValue,
  type Plan,
  parseCidr,
  type Quota,
  quotaWindow,
} from '@fluxgate/policy';

/** A grant as a request meets it: parsed once per number and plan, whatever number of keys share it. */
export interface CompiledGrant {
  readonly scopes: readonly string[];
  /** Value of X-FluxGate-Scopes. */
  readonly scopesHeader: string;
  readonly routes: ReadonlySet<string> | null;
  readonly cidrs: CidrSet | null;
  readonly tier: CompiledTier | null;
  readonly quota: CompiledQuota | null;
  readonly requestBudget: number | null;
  readonly ownerHeader: string | null;
  /** What signatures of its requests are checked with: its public key, or the secret of the key version. null: it signs nothing. */
  readonly signing: KeyObject | 'hmac-sha256' | null;
}

/** A calendar quota with the window it is in; `windowAt` moves it on. */
export interface CompiledQuota {
  readonly spec: Quota;
  windowId: string;
  endsAtMs: number;
}

/** Brings the window of `quota` up to `nowMs`; time zones are only reckoned with when a window has ended. */
export function windowAt(quota: CompiledQuota, nowMs: number): CompiledQuota {
  if (nowMs >= quota.endsAtMs) {
    const window = quotaWindow(quota.spec, nowMs);
    quota.windowId = window.id;
    quota.endsAtMs = window.endsAtMs;
  }
  return quota;
}

/** Far more than an installation has kinds of keys; above it the cache starts anew. */
const CACHED_MAX = 50_000;

/**
 * Grants by number. A grant is immutable under its number, but its tier follows from the plan: the cache goes when the plan changes.
 * null: the grant is not in the state or cannot be understood; such a key is refused with 503, never passed.
 */
export class GrantCache {
  readonly #read: (number: number) => string | null;
  readonly #compiled = new Map<number, CompiledGrant>();
  #plan: Plan | null = null;

  constructor(read: (number: number) => string | null) {
    this.#read = read;
  }

  setPlan(plan: Plan): void {
    this.#plan = plan;
    this.#compiled.clear();
  }

  /** The numbers may mean other grants now (another index, another epoch). */
  forget(): void {
    this.#compiled.clear();
  }

  get(number: number): CompiledGrant | null {
    return this.#compiled.get(number) ?? this.#compile(number);
  }

  #compile(number: number): CompiledGrant | null {
    const json = this.#read(number);
    if (json === null || this.#plan === null) return null;
    const grant = compileGrant(json, this.#plan);
    if (grant === null) return null;
    if (this.#compiled.size >= CACHED_MAX) this.#compiled.clear();
    this.#compiled.set(number, grant);
    return grant;
  }
}

export function compileGrant(json: string, plan: Plan): CompiledGrant | null {
  let grant: Grant;
  try {
    grant = JSON.parse(json) as Grant;
  } catch {
    return null;
  }
  if (!Array.isArray(grant.scopes)) return null;
  // A list that cannot be read in full is no list: the key is refused, not let in from anywhere.
  if (grant.cidrs !== null && (!Array.isArray(grant.cidrs) || grant.cidrs.some((text) => parseCidr(text) === null))) return null;
  const signing = signingOf(grant.signing);
  if (signing === undefined) return null;
  return {
    scopes: grant.scopes,
    scopesHeader: headerValue(grant.scopes.join(' ')),
    routes: grant.routes === null ? null : new Set(grant.routes),
    cidrs: grant.cidrs === null ? null : compileCidrs(grant.cidrs),
    tier: plan.tierOf(grant.scopes),
    quota: grant.quota === null ? null : { spec: grant.quota, windowId: '', endsAtMs: 0 },
    requestBudget: grant.requestBudget,
    ownerHeader: grant.owner === null ? null : headerValue(grant.owner),
    signing,
  };
}

/** undefined: it cannot be understood, so the whole grant cannot. */
function signingOf(signing: Grant['signing']): CompiledGrant['signing'] | undefined {
  if (signing === undefined) return null;
  if (signing.algorithm === 'hmac-sha256') return 'hmac-sha256';
  if (signing.algorithm !== 'ed25519') return undefined;
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: signing.publicKey } });
  } catch {
    return undefined;
  }
}
