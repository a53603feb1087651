import type { CompiledRoute, RefusalCode } from '@fluxgate/policy';
import type { Decision, FlatHeaders, Forward, Recorded } from '../seam.ts';
import { pickMember } from './balance.ts';
import { ChunkedDecoder } from './chunked.ts';
import type { ClientConnection } from './client-connection.ts';
import type { Facts } from './facts.ts';
import { FAULT, faultOf } from './faults.ts';
import { forwardHead } from './forward-head.ts';
import { ResponseRelay } from './response-relay.ts';
import { serverTiming } from './server-timing.ts';
import type { Target } from './target.ts';
import type { Timed } from './timer-wheel.ts';
import { trailerLines } from './trailers.ts';
import type { UpstreamConnection, UpstreamFailure, UpstreamUser } from './upstream-connection.ts';
import type { UpstreamRuntime } from './upstream-directory.ts';
import type { WireContext } from './wire-context.ts';

/** Messages up to this size leave as one string; larger ones as one buffer. */
const STRING_BYTES_MAX = 16_384;
const NO_BYTES = Buffer.alloc(0);
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
export class Exchange implements UpstreamUser, Timed, Recorded {
  /** The bound on the whole exchange, where the upstream has one. */
  dueMs = 0;
  armedMs = 0;
  readonly client: ClientConnection;
  readonly facts: Facts;
  decision: Decision | null = null;
  status = 0;
  bytesIn: number;
  bytesOut = 0;
  /** The request body was taken to its end. */
  requestDone: boolean;
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
  readonly #context: WireContext;
  #runtime: UpstreamRuntime | null = null;
  #target: Target | null = null;
  #basePath = '';
  #relay: ResponseRelay | null = null;
  #left: number;
  #decoder: ChunkedDecoder | null;
  /** The whole request as sent, while it may have to be sent again. */
  #resend: string | Buffer | null = null;
  #retriesLeft = 0;
  #bodyMax: number;
  #wrote = false;

  constructor(client: ClientConnection, facts: Facts, context: WireContext, startedMs: number) {
    this.client = client;
    this.startedMs = startedMs;
    this.facts = facts;
    this.#context = context;
    this.bytesIn = facts.text.length;
    this.#left = facts.bodyLength;
    this.#decoder = facts.bodyLength < 0 ? new ChunkedDecoder() : null;
    this.requestDone = facts.bodyLength === 0;
    this.#bodyMax = context.read.bodyBytesMax;
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
    this.#bodyMax = decision.route.bodyMaxBytes ?? this.#context.limits.bodyBytes;
    if (this.facts.bodyLength > this.#bodyMax) {
      const { code, because } = faultOf(FAULT.bodyLong);
      this.#refuse(code, because, decision.route);
      return;
    }
    if (this.facts.expectContinue && !this.client.hasInput) this.client.write('HTTP/1.1 100 Continue\r\n\r\n');
    const { upstream } = decision;
    this.#runtime = this.#context.upstreams.runtimeOf(upstream);
    this.#retriesLeft = upstream.retries ?? 1;
    if (upstream.timeout.totalMs !== null) this.#context.wheel.set(this, upstream.timeout.totalMs);
    this.#dispatch(null, false);
  }

  onDeadline(): void {
    if (!this.over) this.refuseLate('upstream_timeout', 'the exchange exceeds the total limit of its upstream');
  }

  #dispatch(not: Target | null, fresh: boolean): void {
    const runtime = this.#runtime!;
    const member = pickMember(runtime, this.facts.clientText, not);
    if (member === null) {
      this.#refuse('upstream_unreachable', 'every target of the upstream has an open circuit', this.#route());
      return;
    }
    this.#setTarget(member.target);
    this.#basePath = member.spec.basePath;
    const { spec } = runtime;
    const { limits } = this.#context;
    member.target.acquire(this, {
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
    if (this.requestDone) {
      if (IDEMPOTENT.has(this.facts.method) && this.facts.upgrade === null) this.#resend = head;
      this.#sent(connection, connection.write(head));
    } else this.#forwardBody(head);
  }

  /** More of the request body may lie in the client's input. */
  onInput(): void {
    if (!this.requestDone && this.upstream !== null && this.upstream.connected) this.#forwardBody('');
  }

  /** Writes `head` and whatever of the body is there as one message. */
  #forwardBody(head: string): void {
    const upstream = this.upstream!;
    const piece = this.#takeBody();
    if (typeof piece === 'number') {
      this.#bodyFault(piece);
      return;
    }
    if (head === '' && piece.length === 0 && !this.requestDone) return;
    const before = head + (this.#decoder !== null && piece.length > 0 ? `${piece.length.toString(16)}\r\n` : '');
    let after = this.#decoder !== null && piece.length > 0 ? '\r\n' : '';
    if (this.#decoder !== null && this.requestDone) {
      const lines = trailerLines(this.#decoder, this.#context.read.names, (name) => this.#isDropped(name));
      if (typeof lines === 'number') {
        this.#bodyFault(lines);
        return;
      }
      after += `0\r\n${lines}\r\n`;
    }
    const message = joined(before, piece, 0, piece.length, after);
    if (head !== '' && this.requestDone && IDEMPOTENT.has(this.facts.method)) this.#resend = message;
    this.#sent(upstream, upstream.write(message));
  }

  #isDropped(name: string): boolean {
    const { drop, set } = this.forward;
    for (const one of drop) if (one.toLowerCase().replaceAll('_', '-') === name) return true;
    for (let i = 0; i < set.length; i += 2) if (set[i]!.toLowerCase().replaceAll('_', '-') === name) return true;
    return false;
  }

  #sent(upstream: UpstreamConnection, room: boolean): void {
    const { timeout } = this.#runtime!.spec;
    if (!room) {
      this.client.block(true);
      upstream.deadline(timeout.idleMs);
    } else if (this.requestDone) {
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

  /** The next decoded bytes of the body out of the client's input, or a fault. */
  #takeBody(): Buffer | number {
    const { client } = this;
    const { input } = client;
    if (input === null) return NO_BYTES;
    const from = client.inputAt;
    let to: number;
    if (this.#decoder === null) {
      to = Math.min(input.length, from + this.#left);
      this.#left -= to - from;
      client.consume(to);
      this.requestDone = this.#left === 0;
      this.bytesIn += to - from;
      return input.subarray(from, to);
    }
    const next = this.#decoder.decode(input, from, input.length);
    if (next < 0) return next;
    to = this.#decoder.dataEnd;
    client.consume(next);
    this.requestDone = this.#decoder.done;
    this.bytesIn += to - from;
    if (this.bytesIn - this.facts.text.length > this.#bodyMax) return FAULT.bodyLong;
    return input.subarray(from, to);
  }

  /** The body is malformed: nothing after this point can be trusted, on either side. */
  #bodyFault(answer: number): void {
    const fault = faultOf(answer);
    this.#dropUpstream();
    if (this.#relay?.started) this.abort(fault.because);
    else this.#refuse(fault.code, fault.because, this.#route(), true);
  }

  /** Reads a body that nobody wants, up to a bound. False: the connection cannot be kept. */
  discardBody(): boolean {
    while (!this.requestDone && this.client.hasInput) if (typeof this.#takeBody() === 'number') return false;
    return true;
  }

  get bodyLeft(): number {
    return this.requestDone ? 0 : this.#decoder === null ? this.#left : Number.POSITIVE_INFINITY;
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
    if (failure === 'broken' || failure === 'timeout') this.#target!.failed(false);
    if (this.#retriesLeft > 0 && (stale || (untouched && elsewhere))) {
      this.#retriesLeft--;
      this.#relay = null;
      this.#dispatch(untouched ? this.#target : null, true);
      return;
    }
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
    if (reusable && this.requestDone) upstream.release();
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
    this.#dropUpstream();
    this.upstreamTarget = this.upstreamName;
    this.fault = fault;
    this.#setTarget(null);
    this.#resend = null;
    this.durationMs = this.#context.clock.monotonicMs() - this.startedMs;
    this.#context.record(this);
  }
}

/** One message from text, the bytes `buf[from, to)` and text: a latin1 string while it is small, else one buffer. */
export function joined(before: string, buf: Buffer, from: number, to: number, after: string): string | Buffer {
  if (to === from) return before + after;
  const total = before.length + to - from + after.length;
  if (total <= STRING_BYTES_MAX) return before + buf.toString('latin1', from, to) + after;
  const message = Buffer.allocUnsafe(total);
  message.write(before, 0, 'latin1');
  buf.copy(message, before.length, from, to);
  if (after !== '') message.write(after, total - after.length, 'latin1');
  return message;
}
