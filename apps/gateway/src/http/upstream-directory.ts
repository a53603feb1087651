import net from 'node:net';
import type { CompiledTarget, CompiledUpstream, Plan, UpstreamTls } from '@fluxgate/policy';
import { HealthCheck } from './health.ts';
import { type Resolve, Resolver } from './resolver.ts';
import { Target, type TargetShared } from './target.ts';

/** A target in its role in one upstream. */
export interface Member {
  readonly spec: CompiledTarget;
  readonly target: Target;
}

/** A compiled upstream with its living targets. */
export interface UpstreamRuntime {
  readonly spec: CompiledUpstream;
  readonly members: readonly Member[];
  /** Smooth weighted round robin: current weights. */
  readonly current: number[];
}

/** A target as an operator wants to see it. */
export interface TargetStats {
  readonly authority: string;
  readonly connections: number;
  /** Exchanges that hold or wait for a connection. */
  readonly load: number;
  /** By the active health check. */
  readonly healthy: boolean;
  /** False while its circuit is open or it is ejected. */
  readonly available: boolean;
  /** Exchanges that wait for a connection now, and how many ever had to. */
  readonly waiting: number;
  readonly waits: number;
}

/** From the plan's upstreams to targets that outlive plans: connections, circuits and health stay where the address stays. */
export class UpstreamDirectory {
  readonly #targets = new Map<string, Target>();
  readonly #runtimes = new WeakMap<CompiledUpstream, UpstreamRuntime>();
  readonly #checks = new Map<string, HealthCheck>();
  readonly #resolver: Resolver;
  readonly #shared: TargetShared;

  constructor(shared: TargetShared, resolve: Resolve) {
    this.#shared = shared;
    this.#resolver = new Resolver(
      resolve,
      shared.limits.dnsTtlMs,
      () => shared.wheel.nowMs,
      (host, addresses) => {
        for (const target of this.#targets.values()) {
          if (target.host === host) target.dropIdle((address) => address !== undefined && addresses.has(address));
        }
      },
    );
  }

  setPlan(plan: Plan): void {
    const named = new Set<Target>();
    const checks = new Map<string, HealthCheck>();
    for (const route of plan.routes) {
      if (route.upstream === null) continue;
      for (const member of this.runtimeOf(route.upstream).members) {
        named.add(member.target);
        member.target.outlier = route.upstream.outlier;
        this.#check(route.upstream, member.target, checks);
      }
    }
    for (const [key, check] of this.#checks) {
      if (checks.has(key)) continue;
      check.stop();
      this.#checks.delete(key);
    }
    const hosts = new Set<string>();
    for (const [key, target] of this.#targets) {
      if (named.has(target)) {
        hosts.add(target.host);
        continue;
      }
      target.retire();
      this.#targets.delete(key);
    }
    this.#resolver.forget(hosts);
  }

  #check(upstream: CompiledUpstream, target: Target, wanted: Map<string, HealthCheck>): void {
    const { health, timeout } = upstream;
    if (health === null) return;
    const key = `${target.key} ${JSON.stringify(health)}`;
    let check = this.#checks.get(key);
    if (check === undefined) {
      check = new HealthCheck(target, health, timeout.connectMs, this.#shared.limits);
      this.#checks.set(key, check);
    }
    wanted.set(key, check);
  }

  runtimeOf(spec: CompiledUpstream): UpstreamRuntime {
    let runtime = this.#runtimes.get(spec);
    if (runtime === undefined) {
      runtime = {
        spec,
        members: spec.targets.map((one) => ({ spec: one, target: this.#targetOf(one, spec.tls) })),
        current: spec.targets.map(() => 0),
      };
      this.#runtimes.set(spec, runtime);
    }
    return runtime;
  }

  #targetOf(spec: CompiledTarget, secure: UpstreamTls | null): Target {
    const key = `${spec.tls ? `https ${JSON.stringify(secure)}` : 'http'} ${spec.host} ${spec.port}`;
    let target = this.#targets.get(key);
    if (target === undefined) {
      target = new Target(key, spec, secure, net.isIP(spec.host) === 0 ? this.#resolver.lookup : null, this.#shared);
      this.#targets.set(key, target);
    }
    return target;
  }

  /** Every target with what an operator wants to see of it. */
  *stats(): Generator<TargetStats> {
    for (const { authority, connections, load, healthy, available, waiting, waits } of this.#targets.values()) {
      yield { authority, connections, load, healthy, available, waiting, waits };
    }
  }

  /** Called about once a second. */
  sweep(): void {
    for (const target of this.#targets.values()) target.expireQueue();
    this.#resolver.refresh();
  }

  destroyAll(): void {
    for (const check of this.#checks.values()) check.stop();
    for (const target of this.#targets.values()) target.destroyAll();
  }
}
