import type { CompiledTarget, CompiledUpstream, Plan } from '@fluxgate/policy';
import type { WireLimits } from './limits.ts';
import { Target } from './target.ts';
import type { TimerWheel } from './timer-wheel.ts';

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

/** From the plan's upstreams to targets that outlive plans. */
export class UpstreamDirectory {
  readonly #targets = new Map<string, Target>();
  #runtimes = new WeakMap<CompiledUpstream, UpstreamRuntime>();
  readonly #wheel: TimerWheel;
  readonly #limits: WireLimits;

  constructor(wheel: TimerWheel, limits: WireLimits) {
    this.#wheel = wheel;
    this.#limits = limits;
  }

  setPlan(plan: Plan): void {
    const named = new Set<Target>();
    for (const route of plan.routes) {
      if (route.upstream !== null) for (const member of this.runtimeOf(route.upstream).members) named.add(member.target);
    }
    for (const [key, target] of this.#targets) {
      if (named.has(target)) continue;
      target.retire();
      this.#targets.delete(key);
    }
  }

  runtimeOf(spec: CompiledUpstream): UpstreamRuntime {
    let runtime = this.#runtimes.get(spec);
    if (runtime === undefined) {
      runtime = {
        spec,
        members: spec.targets.map((one) => ({ spec: one, target: this.#targetOf(one) })),
        current: spec.targets.map(() => 0),
      };
      this.#runtimes.set(spec, runtime);
    }
    return runtime;
  }

  #targetOf(spec: CompiledTarget): Target {
    const key = `${spec.tls ? 'https' : 'http'} ${spec.host} ${spec.port}`;
    let target = this.#targets.get(key);
    if (target === undefined) {
      target = new Target(spec.host, spec.port, spec.tls, null, this.#wheel, this.#limits);
      this.#targets.set(key, target);
    }
    return target;
  }

  get targets(): Iterable<Target> {
    return this.#targets.values();
  }

  /** Called every second or so. */
  sweep(): void {
    for (const target of this.#targets.values()) target.expireQueue();
  }

  closeIdle(): void {
    for (const target of this.#targets.values()) target.dropIdle(() => false);
  }

  destroyAll(): void {
    for (const target of this.#targets.values()) target.destroyAll();
  }
}
