import type { Plan, RefusalCode } from '@fluxgate/policy';
import type { KeyIndexReader, LeaseClient, LeaseTable, RateCounters } from '../memory/ports.ts';
import type { ReplayGuard } from '../memory/replay-memory.ts';
import type { Answer, AnswerRefusal, Decide, Decision, LastingByKey, RequestFacts } from '../seam.ts';
import type { TokenPort } from '../tokens/ports.ts';
import { Answers } from './answer.ts';
import type { KeyRoom } from './authenticate.ts';
import { judge } from './authorise.ts';
import { preflight, takeAddress } from './edges.ts';
import { Exchange, type RefusalOrPass } from './exchange.ts';
import { forward } from './forward.ts';
import { GrantCache } from './grants.ts';
import type { PepperRing } from './hmac.ts';
import { type LimitRoom, spendCounts, takeRates } from './limit.ts';
import { match } from './match.ts';
import { compilePrograms, type Programs } from './program.ts';
import { Review } from './review.ts';
import type { Ground } from './standing.ts';
import type { UsageBook } from './usageBook.ts';

export interface DecideParts {
  readonly realm: string;
  readonly counters: RateCounters;
  readonly leases: LeaseTable;
  readonly leaseClient: LeaseClient;
  readonly usage: UsageBook;
  /** null: tokens are answered 503 `keys_unavailable`. */
  readonly tokens?: TokenPort | null;
  /** null: routes that ask for signatures are answered 503 `not_enforceable`. */
  readonly replays?: ReplayGuard | null;
  /** Wall clock in milliseconds since 1970. */
  readonly now: () => number;
  /** State older than this is not judged by, unless `fallback_action: last_known`. null: any age will do. */
  readonly staleAfterMs: number | null;
  readonly onLoss: LimitRoom['onLoss'];
}

export interface Pipeline {
  readonly decide: Decide;
  readonly answerRefusal: AnswerRefusal;
  /** Throws when the plan cannot be compiled into programs; the plan before stays in force. */
  setPlan(plan: Plan): void;
  /** Attach to another index; grants are read anew. */
  setIndex(index: KeyIndexReader): void;
  setPeppers(ring: PepperRing): void;
  /** When the control plane last vouched for the state; null: it has not since the process started. */
  setContact(contactMs: number | null): void;
  /** Ends what was let in and may not go on. Cheap while nothing has changed: to be called several times a second. */
  review(lasting: LastingByKey): void;
  readonly plan: Plan | null;
}

/**
 * The path of one request through the worker: match → CORS → limit by address → authenticate → authorise → limit → forward. Everything that a route
 * needs was compiled when its plan arrived; a stage that it does not use costs nothing. The decision is returned at once
 * unless a lease has to be fetched.
 */
export function createPipeline(parts: DecideParts): Pipeline {
  const answers = new Answers(parts.realm);
  const keys: KeyRoom = {
    realm: parts.realm,
    index: null,
    grants: new GrantCache((number) => keys.index?.grant(number) ?? null),
    peppers: null,
    decoy: null,
    replays: parts.replays ?? null,
  };
  const limits: LimitRoom = parts;
  let programs: Programs = { routes: [], anyQueryKeys: false };
  let plan: Plan | null = null;
  let contactMs: number | null = null;
  let spare = new Exchange();
  const reviewer = new Review();
  let ground: Ground | null = null;

  function decide(facts: RequestFacts): Decision | Promise<Decision> {
    if (plan === null) return notReady(facts);
    const x = spare;
    x.begin(facts, parts.now());
    x.plan = plan;
    let refusal = match(x, plan, programs);
    if (x.preflight) return preflight(x);
    if (plan.addressLimit !== null) refusal = takeAddress(x, plan.addressLimit, parts.counters) ?? refusal;
    refusal ??= admit(x);
    const asked = refusal === null ? null : askIssuer(x);
    return asked === null ? spend(x, refusal) : asked;
  }

  function spend(x: Exchange, refusal: RefusalOrPass): Decision | Promise<Decision> {
    if (refusal !== null) return finish(x, refusal);
    const spent = spendCounts(x, limits, keys);
    if (spent === null || typeof spent === 'string') return finish(x, spent);
    if (x === spare) spare = new Exchange(); // this one waits for its lease
    return spent.then((code) => finish(x, code));
  }

  /** The request was refused for want of a key that its issuer may have published meanwhile: asked for once, then judged again. */
  function askIssuer(x: Exchange): Promise<Decision> | null {
    const { wants, opened } = x;
    if (wants === null || opened === null) return null;
    const asked = parts.tokens?.ask(opened, wants) ?? null;
    if (asked === null) return null;
    spare = new Exchange();
    return asked.then(() => {
      x.beginAgain(parts.now());
      return spend(x, admit(x));
    });
  }

  /** All that costs no token: checks, what the route itself refuses, rates. */
  function admit(x: Exchange): RefusalOrPass {
    const check = x.program?.check ?? null;
    if (check !== null) {
      const refusal = judge(x, check, keys, parts.counters, parts.tokens ?? null) ?? tooStale(x);
      if (refusal !== null) return refusal;
    }
    const route = x.route;
    if (route === null) return 'internal';
    if (route.refuses !== null) {
      x.because = `route ${route.name} cannot be served: ${route.refuses}`;
      return route.refuses;
    }
    if (route.upstream === null) {
      x.because = `route ${route.name} names no upstream`;
      return 'no_upstream';
    }
    return takeRates(x, limits);
  }

  /** Judged after the key, so that a stranger learns nothing of the state of the node. */
  function tooStale(x: Exchange): RefusalOrPass {
    if (parts.staleAfterMs === null || !x.accepted || x.plan.apiKey?.fallbackAction === 'last_known') return null;
    if (contactMs !== null && x.nowMs - contactMs <= parts.staleAfterMs) return null;
    x.because = 'the state of this node is older than FLUXGATE_STALE_AFTER allows';
    return 'stale_state';
  }

  function finish(x: Exchange, refusal: RefusalOrPass): Decision {
    if (x.possession === 'proven') parts.usage.note(x.kid, refusal === null, x.nowMs, x.facts);
    return refusal === null ? forward(x, programs) : answers.ofExchange(x, refusal);
  }

  function notReady(facts: RequestFacts): Answer {
    return answerRefusal('not_ready', facts.traceId, 'no state has arrived yet', null);
  }

  function answerRefusal(code: RefusalCode, traceId: string, because: string, route: Answer['route']): Answer {
    // The wire found out that the body is not the one that was signed.
    const signature = code === 'signature_invalid' && route !== null ? (programs.routes[route.index]?.signature ?? null) : null;
    return answers.refuse(code, { traceId, because, route, proven: false, signature, takesKeys: signature === null });
  }

  return {
    decide,
    answerRefusal,
    setPlan(next) {
      programs = compilePrograms(next);
      keys.grants.setPlan(next);
      answers.setPlan(next);
      plan = next;
      ground = { plan, programs };
    },
    setIndex(index) {
      keys.index = index;
      keys.grants.forget();
    },
    setPeppers(ring) {
      keys.peppers = ring.size === 0 ? null : ring;
      keys.decoy = ring.values().next().value ?? null;
    },
    setContact(ms) {
      contactMs = ms;
    },
    review(lasting) {
      if (ground !== null) reviewer.run(lasting, keys, ground, parts.now());
    },
    get plan() {
      return plan;
    },
  };
}
