import type { CompiledRoute, RefusalCode } from '@fluxgate/policy';
import type { Decision, Ending, FlatHeaders, Forward, Lasting, Recorded } from '../seam.ts';
import { pickMember } from './balance.ts';
import type { ClientConnection } from './client-connection.ts';
import type { Facts } from './facts.ts';
import { FAULT, faultOf } from './faults.ts';
import { forwardHead } from './forward-head.ts';
import { foldedName } from './grammar.ts';
import { HeldBody } from './held-body.ts';
import { RequestBody } from './request-body.ts';
import { ResponseRelay } from './response-relay.ts';
import { serverTiming } from './server-timing.ts';
import type { Target } from './target.ts';
import type { Timed } from './timer-wheel.ts';
import type { UpstreamConnection, UpstreamFailure, UpstreamUser } from './upstream-connection.ts';
import type { UpstreamRuntime } from './upstream-directory.ts';
import type { WireContext } from './wire-context.ts';

const NO_FIELDS: FlatHeaders = [];

/** RFC 9110 §9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH']);

const FAILURE_CODES: Readonly<Record<UpstreamFailure, RefusalCode>> = {
  connect: 'upstream_unreachable',
  connect_timeout: 'upstream_timeout',
  broken: 'upstream_bad_response',
  timeout: 'upstream_timeout',
  overloaded: 'overloaded',
  unreachable: 'upstream_unreachable',
};

/** One request and its answer. Owns the upstream connection while it lasts; ends exactly once, in `finish`. */
export class Exchange implements UpstreamUser, Timed, Recorded, Lasting {
  /** The bound on the whole exchange, where the upstream has one. */
  dueMs = 0;
  armedMs = 0;
  readonly client: ClientConnection;
  readonly facts: Facts;
  decision: Decision | null = null;
  status = 0;
  bytesOut = 0;
  /** Bytes from the client after the connection became a stream. */
  tunnelledIn = 0;
  readonly body: RequestBody;
  upstream: UpstreamConnection | null = null;
  over = false;
  readonly startedMs: number;
  handedMs = 0;
  firstByteMs = 0;
  upstreamEndMs = 0;
  durationMs = 0;
  upstreamSpan = '';
  upstreamTarget: string | null = null;
  fault: string | null = null;
  /** Kept by `LastingExchanges`: where this one stands among those that were forwarded. */
  watched: 'no' | 'young' | 'lasting' = 'no';
  older: Exchange | null = null;
  younger: Exchange | null = null;
  groupKid = '';
  readonly #context: WireContext;
  #runtime: UpstreamRuntime | null = null;
  #target: Target | null = null;
  #basePath = '';
  #relay: ResponseRelay | null = null;
  /** The whole request as sent, while it may have to be sent again. */
  #resend: string | Buffer | null = null;
  #retriesLeft = 0;
  /** A body that must prove itself first. */
  #held: HeldBody | null = null;
  #wrote = false;

  constructor(client: ClientConnection, facts: Facts, context: WireContext, startedMs: number) {
    this.client = client;
    this.startedMs = startedMs;
    this.facts = facts;
    this.#context = context;
    this.body = new RequestBody(facts.bodyLength, context.read.bodyBytesMax);
  }

  get bytesIn(): number {
    return this.facts.text.length + this.body.bytes + this.tunnelledIn;
  }

  start(): void {
    let decision: Decision | Promise<Decision>;
    try {
      decision = this.#context.decide(this.facts);
    } catch (error) {
      this.#refuse('internal', String(error), null);
      return;
    }
    if (decision instanceof Promise) {
      this.client.deciding();
      decision.then(
        (value) => this.client.guard(() => this.#decided(value)),
        (error: unknown) => this.undecided(String(error)),
      );
    } else this.#decided(decision);
  }

  /** No decision came, or too late. */
  undecided(because: string): void {
    if (!this.over) this.#refuse('internal', because, null);
  }

  #decided(decision: Decision): void {
    if (this.over) return;
    this.client.decided();
    this.decision = decision;
    if (decision.kind === 'answer') {
      this.client.answer(this, decision);
      return;
    }
    this.body.bytesMax = decision.held?.bytesMax ?? decision.route.bodyMaxBytes ?? this.#context.limits.bodyBytes;
    if (this.facts.bodyLength > this.body.bytesMax) {
      const { code, because } = faultOf(FAULT.bodyLong);
      this.#refuse(code, because, decision.route);
      return;
    }
    this.#context.lasting.began(this);
    if (this.facts.expectContinue && this.client.input.buf === null) this.client.write('HTTP/1.1 100 Continue\r\n\r\n');
    if (decision.held !== undefined) {
      this.#held = new HeldBody(decision.held);
      this.#hold(this.#held);
    } else this.#goOn(decision);
  }

  /** Nothing reaches the upstream before all of the body is here and proven. */
  #hold(held: HeldBody): void {
    const fault = held.take(this.body, this.client.input);
    this.client.consumed();
    if (fault !== 0) {
      this.#bodyFault(fault);
      return;
    }
    if (!this.body.done) {
      this.client.expectBody(this.bytesIn);
      return;
    }
    this.client.bodyDone();
    const refusal = held.refusal();
    if (refusal === null) this.#goOn(this.forward);
    else this.#refuse(refusal.code, refusal.because, this.#route());
  }

  #goOn(decision: Forward): void {
    const { upstream } = decision;
    this.#runtime = this.#context.upstreams.runtimeOf(upstream);
    this.#retriesLeft = upstream.retries ?? 1;
    if (upstream.timeout.totalMs !== null) this.#context.wheel.set(this, upstream.timeout.totalMs);
    this.#dispatch(null);
  }

  onDeadline(): void {
    if (!this.over) this.refuseLate('upstream_timeout', 'the exchange exceeds the total limit of its upstream');
  }

  #dispatch(not: Target | null): void {
    const runtime = this.#runtime!;
    const member = pickMember(runtime, this.facts.clientText, not);
    if (member === null) {
      this.#refuse('upstream_unreachable', 'every target of the upstream has an open circuit', this.#route());
      return;
    }
    this.#setTarget(member.target);
    this.#basePath = member.spec.basePath;
    this.#acquire(member.target, false);
  }

  #acquire(target: Target, fresh: boolean): void {
    const { spec } = this.#runtime!;
    const { limits } = this.#context;
    target.acquire(this, {
      connectMs: spec.timeout.connectMs,
      connections: spec.maxConnections ?? limits.connectionsPerTarget,
      queue: spec.queue ?? limits.queuePerTarget,
      fresh,
    });
  }

  #setTarget(target: Target | null): void {
    if (this.#target !== null) this.#target.load--;
    if (target !== null) target.load++;
    this.#target = target;
  }

  get upstreamName(): string | null {
    return this.#target === null ? null : this.#target.authority;
  }

  /** How long it took to get here, for the client: what the gateway added, and the upstream until its first byte. */
  timingLine(): string {
    const upstreamMs = this.firstByteMs - this.handedMs;
    return `Server-Timing: ${serverTiming(this.#context.clock.monotonicMs() - this.startedMs - upstreamMs, upstreamMs)}\r\n`;
  }

  get forward(): Forward {
    return this.decision as Forward;
  }

  #route(): CompiledRoute | null {
    return this.decision === null ? null : this.decision.route;
  }

  attach(connection: UpstreamConnection): void {
    this.upstream = connection;
    this.#relay = new ResponseRelay(this, this.#context);
    this.#wrote = true;
    if (this.handedMs === 0) this.handedMs = this.#context.clock.monotonicMs();
    if (this.#resend !== null) {
      connection.write(this.#resend);
      connection.deadline(this.#runtime!.spec.timeout.firstByteMs);
      return;
    }
    this.upstreamSpan = this.#context.trace.spanId();
    const head = forwardHead(
      this.facts,
      this.forward,
      this.client.peer,
      this.upstreamSpan,
      connection.target.authority,
      this.#basePath,
    );
    if (this.#held !== null) {
      const message = this.#held.message(head, this.facts.bodyLength < 0);
      if (IDEMPOTENT.has(this.facts.method) && this.facts.upgrade === null) this.#resend = message;
      this.#sent(connection, connection.write(message));
    } else if (this.body.done) {
      if (IDEMPOTENT.has(this.facts.method) && this.facts.upgrade === null) this.#resend = head;
      this.#sent(connection, connection.write(head));
    } else this.#forwardBody(head);
  }

  /** More of the request body may lie in the client's input. */
  onInput(): void {
    if (this.#held !== null) {
      if (!this.body.done) this.#hold(this.#held);
    } else if (!this.body.done && this.upstream !== null && this.upstream.connected) this.#forwardBody('');
  }

  /** Writes `head` and whatever of the body is there as one message. */
  #forwardBody(head: string): void {
    const upstream = this.upstream!;
    const message = this.body.message(head, this.client.input, this.#context.read.names, (name) => this.#isDropped(name));
    this.client.consumed();
    if (message === null) return;
    if (typeof message === 'number') {
      this.#bodyFault(message);
      return;
    }
    if (head !== '' && this.body.done && IDEMPOTENT.has(this.facts.method)) this.#resend = message;
    this.#sent(upstream, upstream.write(message));
  }

  #isDropped(name: string): boolean {
    const { drop, set } = this.forward;
    for (const one of drop) if (foldedName(one) === name) return true;
    for (let i = 0; i < set.length; i += 2) if (foldedName(set[i]!) === name) return true;
    return false;
  }

  #sent(upstream: UpstreamConnection, room: boolean): void {
    const { timeout } = this.#runtime!.spec;
    if (!room) {
      this.client.block(true);
      upstream.deadline(timeout.idleMs);
    } else if (this.body.done) {
      this.client.bodyDone();
      if (!this.#relay!.started) upstream.deadline(timeout.firstByteMs);
    } else {
      upstream.deadline(0);
      this.client.expectBody(this.bytesIn);
    }
  }

  upstreamDrain(): void {
    if (this.over || this.upstream === null) return;
    this.client.block(false);
    this.#sent(this.upstream, true);
  }

  /** The body is malformed: nothing after this point can be trusted, on either side. */
  #bodyFault(answer: number): void {
    const fault = faultOf(answer);
    this.#dropUpstream();
    if (this.#relay?.started) this.abort(fault.because);
    else this.#refuse(fault.code, fault.because, this.#route(), true);
  }

  upstreamData(buf: Buffer, length: number): void {
    this.#relay!.data(buf, length);
  }

  upstreamEnd(): void {
    this.#relay!.end();
  }

  upstreamFailed(connection: UpstreamConnection | null, failure: UpstreamFailure, because: string): void {
    if (this.over) return;
    this.upstream = null;
    const relay = this.#relay;
    if (relay?.started) {
      // A body that ends with the connection ends well only with a FIN, and that came as `upstreamEnd`.
      this.abort(`upstream: ${because}`);
      return;
    }
    const silent = relay === null || !relay.heard;
    const stale = failure === 'broken' && connection !== null && connection.reused && silent && this.#resend !== null;
    const untouched = (failure === 'connect' || failure === 'connect_timeout') && !this.#wrote;
    const elsewhere = this.#runtime!.members.length > 1;
    if (this.#retriesLeft > 0 && (stale || (untouched && elsewhere))) {
      this.#retriesLeft--;
      this.#relay = null;
      // What was written for one target is said again to that one only: its name and base path are in it.
      if (stale) this.#acquire(this.#target!, true);
      else this.#dispatch(this.#target);
      return;
    }
    if (failure === 'broken' || failure === 'timeout') this.#target!.failed(false);
    this.#refuse(FAILURE_CODES[failure], because, this.#route());
  }

  /** A FIN before any final head. */
  upstreamGone(because: string): void {
    const { upstream } = this;
    this.upstream = null;
    if (upstream === null) return;
    upstream.user = null;
    upstream.destroy();
    this.upstreamFailed(upstream, 'broken', because);
  }

  get idleMs(): number {
    return this.#runtime!.spec.timeout.idleMs;
  }

  /** The client took what was waiting. */
  clientDrained(): void {
    this.#relay?.resume();
  }

  /** The upstream said something that is no answer: 502, or a cut where the client already has a part. */
  badResponse(because: string): void {
    this.#target?.failed(false);
    this.#dropUpstream();
    if (this.#relay?.started) this.abort(because);
    else this.#refuse('upstream_bad_response', because, this.#route());
  }

  /** A refusal that the wire found. `close`: the rest of the client's bytes has no meaning. */
  #refuse(code: RefusalCode, because: string, route: CompiledRoute | null, close = false): void {
    const refusal = this.#context.answerRefusal(code, this.facts.traceId, because, route);
    const cors = this.decision?.kind === 'forward' ? this.decision.cors : NO_FIELDS;
    const answer = cors.length === 0 ? refusal : { ...refusal, headers: [...refusal.headers, ...cors] };
    this.#dropUpstream();
    if (close) this.client.mustClose = true;
    // What is recorded is what was answered, not what was meant before the upstream failed.
    this.decision = answer;
    this.client.answer(this, answer);
  }

  refuseLate(code: RefusalCode, because: string): void {
    if (this.#relay?.started) this.abort(because);
    else this.#refuse(code, because, this.#route(), true);
  }

  /** The client must see that something is missing. */
  abort(because: string): void {
    this.finish(because);
    this.client.cut(this.#relay?.closeFramed ?? false);
  }

  get admission(): Forward {
    return this.forward;
  }

  /** What let it in does so no more. */
  end({ code, refusal, reason }: Ending): void {
    if (this.over) return;
    const { tunnel } = this.client;
    if (this.status === 101 && tunnel !== null) tunnel.close(code, reason);
    else this.refuseLate(refusal, `ended in the middle: ${reason}`);
  }

  /** The client is gone. */
  abandoned(because: string): void {
    if (this.over) return;
    if (this.status === 0) this.status = 499;
    this.finish(because);
  }

  #dropUpstream(): void {
    const { upstream } = this;
    this.upstream = null;
    if (upstream !== null) upstream.destroy();
    else if (this.#target !== null && this.#relay === null) this.#target.cancel(this);
  }

  /** The upstream has answered with this status; what gateways say when they fail counts as a failure. */
  answered(status: number): void {
    this.status = status;
    this.firstByteMs = this.#context.clock.monotonicMs();
    if (status >= 502 && status <= 504) this.#target!.failed(false);
    else this.#target!.succeeded();
  }

  /** The response is complete on the upstream side. `reusable`: both sides agree where it ended. */
  responseDone(reusable: boolean, inOnePiece: boolean): void {
    const { upstream } = this;
    this.upstreamEndMs = inOnePiece ? this.firstByteMs : this.#context.clock.monotonicMs();
    this.upstream = null;
    if (upstream === null) return;
    if (reusable && this.body.done) upstream.release();
    else upstream.destroy();
  }

  /** The upstream connection leaves the HTTP world with its client. */
  takeUpstream(): UpstreamConnection | null {
    this.#context.wheel.clear(this);
    const { upstream } = this;
    this.upstream = null;
    return upstream;
  }

  finish(fault: string | null): void {
    if (this.over) return;
    this.over = true;
    this.dueMs = 0;
    this.#context.lasting.ended(this);
    this.#dropUpstream();
    this.upstreamTarget = this.upstreamName;
    this.fault = fault;
    this.#setTarget(null);
    this.#resend = null;
    this.#held = null;
    this.durationMs = this.#context.clock.monotonicMs() - this.startedMs;
    this.#context.record(this);
  }
}
