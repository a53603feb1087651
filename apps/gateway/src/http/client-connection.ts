import type { Socket } from 'node:net';
import type { Answer } from '../seam.ts';
import { adoptSocket } from './adopt-socket.ts';
import { answerMessage } from './answer.ts';
import { ClientInput } from './client-input.ts';
import { Exchange } from './exchange.ts';
import type { Facts, Peer } from './facts.ts';
import { faultOf, type WireFault } from './faults.ts';
import { CR, LF } from './grammar.ts';
import { HeadScanner } from './head-scanner.ts';
import { type ReadContext, readRequest } from './read-request.ts';
import { withTiming } from './server-timing.ts';
import type { Timed } from './timer-wheel.ts';
import type { Tunnel } from './tunnel.ts';
import type { WireContext } from './wire-context.ts';

const EMPTY_LINES_MAX = 2;
/** A client that said it will send no more, or went away without a word: how long it may wait for the first byte. */
const HALF_CLOSED_MS = 5000;

type Phase = 'head' | 'idle' | 'decide' | 'exchange' | 'body' | 'send' | 'linger' | 'tunnel' | 'closed';

/** One client connection: bytes in, one exchange at a time, answers out in order. */
export class ClientConnection implements Timed {
  dueMs = 0;
  armedMs = 0;
  /** Judged anew when a plan comes. */
  peer: Peer;
  readonly input = new ClientInput();
  /** After the current answer this connection ends. */
  mustClose = false;
  tunnel: Tunnel | null = null;
  readonly #socket: Socket;
  readonly #context: WireContext;
  readonly #onClosed: (connection: ClientConnection) => void;
  #exchange: Exchange | null = null;
  /** Answered, but the rest of its body has still to go by. */
  #discarding: Exchange | null = null;
  /** Notes of a head that came in pieces. */
  #scanner: HeadScanner | null = null;
  /** By what the notes were made: a plan that came in the middle of a head has the head read anew. */
  #scannedBy: ReadContext | null = null;
  #phase: Phase = 'head';
  #emptyLines = 0;
  #pumping = false;
  #blocked = false;
  #reading = true;
  #ended = false;
  #garbageExpected = false;
  #bodySinceMs = 0;
  #lingered = 0;

  constructor(socket: Socket, peer: Peer, context: WireContext, onClosed: (connection: ClientConnection) => void) {
    const adopted = peer.scheme === 'http' ? adoptSocket(socket, (length, buf) => this.#data(buf, length, true)) : null;
    this.#socket = adopted ?? socket;
    this.peer = peer;
    this.#context = context;
    this.#onClosed = onClosed;
    if (adopted === null) socket.on('data', (chunk: Buffer) => this.#data(chunk, chunk.length, false));
    this.#socket.on('drain', () => this.#drained());
    this.#socket.on('end', () => this.#end());
    this.#socket.on('error', () => this.#gone());
    this.#socket.on('close', () => this.#gone());
    context.wheel.set(this, context.limits.headMs);
  }

  get isIdle(): boolean {
    return this.#exchange === null && this.#discarding === null && this.tunnel === null;
  }

  #data(buf: Buffer, length: number, borrowed: boolean): void {
    if (this.tunnel !== null) {
      this.tunnel.fromClient(borrowed ? Buffer.from(buf.subarray(0, length)) : buf);
      return;
    }
    if (this.#phase === 'linger') {
      this.#lingered += length;
      if (this.#lingered > this.#context.limits.drainBytes * 16) this.destroy();
      return;
    }
    this.input.add(buf, length, borrowed);
    this.#pump();
    this.input.keep();
  }

  /** A fault of ours costs this connection, not the worker. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#context.onFault(error);
      this.#pumping = false;
      this.destroy();
    }
  }

  /** Goes on with whatever the input allows; never runs inside itself, so pipelined requests do not deepen the stack. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#step());
    } catch (error) {
      this.#context.onFault(error);
      this.destroy();
    }
    this.#pumping = false;
    if (this.#ended && this.isIdle && this.#phase !== 'linger' && this.#phase !== 'closed') this.#lastWrite('');
    this.#flow();
  }

  #step(): boolean {
    if (this.#phase === 'linger' || this.#phase === 'closed' || this.tunnel !== null) return false;
    const exchange = this.#exchange;
    if (exchange !== null) {
      if (this.input.buf === null || exchange.body.done) return false;
      exchange.onInput();
      return this.#exchange !== exchange;
    }
    if (this.#discarding !== null) {
      if (!this.#discarding.body.discard(this.input)) {
        this.destroy();
        return false;
      }
      if (this.#discarding.body.left > 0) return false;
      this.#discarding = null;
    }
    if (this.input.buf === null) return false;
    // A client that sends requests and takes no answers gets no further ones.
    if (this.#socket.writableNeedDrain) {
      this.stalled();
      return false;
    }
    return this.#nextRequest();
  }

  #nextRequest(): boolean {
    const context = this.#context;
    const startedMs = context.clock.monotonicMs();
    const { input } = this;
    while (this.#scanner === null && input.buf![input.at] === CR) {
      if (input.length === 1) return this.#awaitHead();
      if (input.buf![input.at + 1] !== LF || ++this.#emptyLines > EMPTY_LINES_MAX) break;
      input.consume(input.at + 2);
      if (input.buf === null) return this.#awaitHead();
    }
    const buf = input.buf!;
    const { at, end } = input;
    let scanner = this.#scannedBy === context.read ? this.#scanner : null;
    if (scanner === null) {
      this.#scanner = null;
      scanner = context.requestScanner;
      scanner.reset();
    }
    let length = scanner.scanRequest(buf, at, end, context.read.names);
    if (length === 0) {
      if (this.#scanner === null) {
        this.#scanner = new HeadScanner(context.read.head);
        this.#scannedBy = context.read;
        length = this.#scanner.scanRequest(buf, at, end, context.read.names);
      }
      return this.#awaitHead();
    }
    this.#scanner = null;
    if (length < 0) return this.#refuse(faultOf(length));
    const text = buf.toString('latin1', at, at + length);
    input.consume(at + length);
    const facts = readRequest(scanner, text, this.peer, context.read, context.clock.nowMs());
    if (typeof facts === 'number') return this.#refuse(faultOf(facts), text.startsWith('HEAD '));
    this.#emptyLines = 0;
    this.#garbageExpected = false;
    this.#phase = 'exchange';
    context.wheel.clear(this);
    this.#bodySinceMs = context.wheel.nowMs;
    const exchange = new Exchange(this, facts, context, startedMs);
    this.#exchange = exchange;
    exchange.start();
    return true;
  }

  /** Part of a head is there: the time for all of it began with its first byte. */
  #awaitHead(): false {
    if (this.#phase === 'idle') {
      this.#phase = 'head';
      this.#context.wheel.set(this, this.#context.limits.headMs);
    }
    return false;
  }

  /** Somebody took from the input: there may be room to read on. */
  consumed(): void {
    if (!this.#reading) this.#flow();
  }

  takeInput(): Buffer | null {
    const { buf, at, end } = this.input;
    if (buf === null) return null;
    const rest = Buffer.from(buf.subarray(at, end));
    this.input.clear();
    this.consumed();
    return rest;
  }

  /** The upstream takes no more for now (`true`), or does again. */
  block(blocked: boolean): void {
    this.#blocked = blocked;
    if (!blocked && !this.#pumping) this.#pump();
    else this.#flow();
  }

  #flow(): void {
    const want = !this.#blocked && this.input.length < this.#context.limits.inputBytes;
    if (want === this.#reading || this.#phase === 'closed') return;
    this.#reading = want;
    if (want) this.#socket.resume();
    else this.#socket.pause();
  }

  /** A piece of the request body was sent on; the next one has a deadline, and all of them together a least speed. */
  expectBody(bytes: number): void {
    const { limits, wheel } = this.#context;
    this.#phase = 'body';
    const elapsedMs = wheel.nowMs - this.#bodySinceMs;
    const slow = elapsedMs > limits.bodyGapMs && (bytes * 1000) / elapsedMs < limits.bodyBytesPerSecond;
    wheel.set(this, slow ? 1 : limits.bodyGapMs);
  }

  /** The decision is awaited; it must not be for ever. */
  deciding(): void {
    this.#phase = 'decide';
    this.#context.wheel.set(this, this.#context.limits.decideMs);
  }

  decided(): void {
    if (this.#phase !== 'decide') return;
    this.#phase = 'exchange';
    this.#context.wheel.clear(this);
  }

  bodyDone(): void {
    if (this.#phase !== 'body') return;
    this.#phase = 'exchange';
    this.#context.wheel.clear(this);
  }

  /** What the client does not take piles up: it has until the stall limit to go on. */
  stalled(): void {
    this.#phase = 'send';
    this.#context.wheel.set(this, this.#context.limits.sendStallMs);
  }

  willClose(facts: Facts): boolean {
    return this.mustClose || !facts.keepAlive || this.#context.draining;
  }

  /** False: wait for the drain. */
  write(data: string | Buffer): boolean {
    return typeof data === 'string' ? this.#socket.write(data, 'latin1') : this.#socket.write(data);
  }

  /** Our own answer in place of an upstream's. */
  answer(exchange: Exchange, answer: Answer): void {
    if (exchange.over) return;
    const { facts } = exchange;
    const context = this.#context;
    exchange.status = answer.status;
    let unread = false;
    if (!exchange.body.discard(this.input)) this.mustClose = true;
    else if (exchange.body.left > 0) {
      unread = exchange.body.left <= this.#context.limits.drainBytes && !facts.expectContinue && !this.willClose(facts);
      if (!unread) this.mustClose = true;
    }
    // A refused handshake: what follows may be frames.
    if (facts.upgrade !== null) this.mustClose = true;
    const message = answerMessage(
      answer.route?.serverTiming ? withTiming(answer, context.clock.monotonicMs() - exchange.startedMs, null) : answer,
      facts.method === 'HEAD',
      this.willClose(facts),
      facts.minor,
      this.#context.date.at(facts.arrivedMs),
    );
    exchange.bytesOut += message.length;
    if (unread) this.#discarding = exchange;
    this.finish(exchange, message);
  }

  /** The last bytes of an answer. */
  finish(exchange: Exchange, message: string | Buffer): void {
    const { facts } = exchange;
    const close = this.willClose(facts);
    this.#exchange = null;
    this.#blocked = false;
    if (close) this.#lastWrite(message);
    else {
      if (message.length > 0) this.write(message);
      this.#garbageExpected = facts.ignoredUpgrade;
      this.#phase = 'idle';
      this.#context.wheel.set(
        this,
        this.#discarding === null ? this.#context.limits.keepAliveMs : this.#context.limits.bodyGapMs,
      );
    }
    exchange.finish(null);
    if (!close && (this.input.buf !== null || this.#ended)) this.#pump();
  }

  /** A message that is none: one answer, then the end. */
  #refuse(fault: WireFault, head = false): false {
    if (this.#garbageExpected) {
      this.#lastWrite('');
      return false;
    }
    const context = this.#context;
    const traceId = context.trace.traceId();
    const answer = context.answerRefusal(fault.code, traceId, fault.because, null);
    const nowMs = context.clock.nowMs();
    const message = answerMessage(answer, head, true, 1, context.date.at(nowMs));
    const bytesIn = this.input.length;
    this.#lastWrite(message);
    context.record({
      facts: null,
      decision: answer,
      status: answer.status,
      upstreamTarget: null,
      upstreamSpan: '',
      startedMs: 0,
      handedMs: 0,
      firstByteMs: 0,
      upstreamEndMs: 0,
      durationMs: 0,
      bytesIn,
      bytesOut: message.length,
      fault: fault.because,
      clientText: this.peer.text,
      traceId,
    });
    return false;
  }

  /** Sends FIN, and reads on for a moment: closing on unread bytes would take the answer away from the client. */
  #lastWrite(message: string | Buffer, flushMs: number | null = null): void {
    this.#phase = 'linger';
    this.input.clear();
    this.#scanner = null;
    this.#blocked = false;
    const { wheel, limits } = this.#context;
    wheel.set(this, flushMs ?? limits.sendStallMs);
    const flushed = () => {
      if (this.#phase === 'linger') wheel.set(this, limits.lingerMs);
    };
    if (typeof message === 'string') this.#socket.end(message, 'latin1', flushed);
    else this.#socket.end(message, flushed);
    this.#flow();
  }

  beginTunnel(tunnel: Tunnel): void {
    this.tunnel = tunnel;
    this.#phase = 'tunnel';
  }

  /** What was written may take so long to reach the client; null: as long as anything. */
  endTunnel(flushMs: number | null): void {
    this.tunnel = null;
    this.#exchange = null;
    if (this.#phase !== 'closed') this.#lastWrite('', flushMs);
  }

  #drained(): void {
    if (this.tunnel !== null) {
      this.tunnel.clientDrained();
      return;
    }
    if (this.#phase === 'send') {
      this.#phase = this.#exchange === null ? 'idle' : 'exchange';
      this.#context.wheel.clear(this);
      if (this.#exchange === null) {
        this.#context.wheel.set(this, this.#context.limits.keepAliveMs);
        this.#pump();
        return;
      }
    }
    this.#exchange?.clientDrained();
  }

  #end(): void {
    this.#ended = true;
    if (this.tunnel !== null) this.tunnel.end('the client closed');
    else if (this.#exchange !== null) {
      if (!this.#exchange.body.done) this.destroy();
      else if (this.#exchange.status === 0) this.#context.wheel.set(this, HALF_CLOSED_MS);
    } else if (this.#phase !== 'linger' && this.#phase !== 'closed') this.#lastWrite('');
  }

  onDeadline(): void {
    if (this.tunnel !== null) {
      this.tunnel.onDeadline();
      return;
    }
    const exchange = this.#exchange;
    if (this.#phase === 'body' && exchange !== null) exchange.refuseLate('request_timeout', 'the body did not arrive in time');
    else if (this.#phase === 'decide' && exchange !== null) exchange.undecided('no decision within the limit');
    else if (this.#phase === 'head' && this.input.buf !== null)
      this.#refuse({ code: 'request_timeout', because: 'the head did not arrive in time' });
    else this.destroy();
  }

  /** Ends without an answer, so that the client cannot take what it has for the whole. */
  cut(reset: boolean): void {
    this.#exchange = null;
    if (reset && this.peer.scheme === 'http') this.#socket.resetAndDestroy();
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#gone();
  }

  /** On the way out: an idle connection goes; the others end with their answer. */
  drain(): void {
    if (this.isIdle && this.#phase !== 'linger' && this.#phase !== 'closed' && this.input.buf === null) this.#lastWrite('');
  }

  #gone(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#context.wheel.clear(this);
    this.input.clear();
    this.#discarding = null;
    const exchange = this.#exchange;
    this.#exchange = null;
    this.tunnel?.end('the client connection broke');
    exchange?.abandoned('the client closed the connection');
    this.#socket.destroy();
    this.#onClosed(this);
  }
}
