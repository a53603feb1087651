import { ChunkedDecoder } from './chunked.ts';
import type { Exchange } from './exchange.ts';
import { FAULT, faultOf } from './faults.ts';
import { CR, LF } from './grammar.ts';
import { joined } from './message.ts';
import { KIND } from './names.ts';
import { keepAliveMs, type ResponseHead, readResponse } from './read-response.ts';
import { type ClientFraming, clientFraming, relayHead } from './relay-head.ts';
import { responseEdges } from './response-edges.ts';
import { trailerLines } from './trailers.ts';
import { beginTunnel } from './tunnel.ts';
import type { WireContext } from './wire-context.ts';

const INTERIM_MAX = 16;

/** Reads the upstream's answer strictly and writes ours: head and first bytes as one message, then piece by piece. */
export class ResponseRelay {
  /** A final head went to the client: from here on failures can only cut. */
  started = false;
  /** Any byte came from the upstream. */
  heard = false;
  readonly #exchange: Exchange;
  readonly #context: WireContext;
  #partial: Buffer | null = null;
  #head: ResponseHead | null = null;
  #framing: ClientFraming = 'none';
  #left = 0;
  #decoder: ChunkedDecoder | null = null;
  #interims = 0;
  #emptyLine = false;
  #done = false;
  #pieces = 0;

  constructor(exchange: Exchange, context: WireContext) {
    this.#exchange = exchange;
    this.#context = context;
  }

  /** The client knows the end only by the end of its connection. */
  get closeFramed(): boolean {
    return this.#framing === 'close';
  }

  data(buf: Buffer, length: number): void {
    this.heard = true;
    if (this.#head !== null) {
      this.#body(buf, 0, length);
      return;
    }
    if (this.#partial === null) this.#readHead(buf, 0, length);
    else {
      const whole = Buffer.concat([this.#partial, buf.subarray(0, length)]);
      this.#partial = null;
      this.#readHead(whole, 0, whole.length);
    }
  }

  #readHead(buf: Buffer, from: number, end: number): void {
    let start = from;
    const scanner = this.#context.responseScanner;
    const { facts } = this.#exchange;
    for (;;) {
      // One stray empty line before a status line is a known slip of some servers after an interim answer.
      if (!this.#emptyLine && end - start >= 2 && buf[start] === CR && buf[start + 1] === LF) {
        this.#emptyLine = true;
        start += 2;
      }
      scanner.reset();
      const length = start === end ? 0 : scanner.scanResponse(buf, start, end, this.#context.responseNames);
      if (length < 0) {
        this.#bad(length);
        return;
      }
      if (length === 0) {
        if (end > start) this.#partial = Buffer.from(buf.subarray(start, end));
        return;
      }
      const text = buf.toString('latin1', start, start + length);
      start += length;
      const { status } = scanner;
      if (status === 101) {
        if (!beginTunnel(this.#exchange, this.#context, scanner, text, buf.subarray(start, end))) this.#bad(FAULT.switching);
        return;
      }
      const head = readResponse(scanner, text, facts.method);
      if (typeof head === 'number') {
        this.#bad(head);
        return;
      }
      if (status >= 200) {
        this.#begin(head, text, buf, start, end);
        return;
      }
      if (++this.#interims > INTERIM_MAX) {
        this.#bad(FAULT.headLong);
        return;
      }
      // 100 was ours to say (RFC 9110 §10.1.1); the others are for the client, if it can read them.
      if (status !== 100 && facts.minor > 0) {
        const options = {
          framing: 'none',
          close: false,
          clientMinor: 1,
          responseSet: [],
          edges: null,
          cors: [],
          timing: '',
          date: '',
        } as const;
        this.#exchange.client.write(relayHead(scanner, text, text.length, head, options));
      }
    }
  }

  #begin(head: ResponseHead, text: string, buf: Buffer, from: number, end: number): void {
    const exchange = this.#exchange;
    const { facts, client } = exchange;
    this.#head = head;
    this.#left = head.length;
    if (head.end === 'chunked') this.#decoder = new ChunkedDecoder();
    this.#framing = clientFraming(head.end, facts.minor);
    if (head.end === 'none' && end > from && head.status === 204) {
      this.#bad(FAULT.noContentBytes);
      return;
    }
    const to = this.#take(buf, from, end);
    if (to < 0) {
      this.#bad(to);
      return;
    }
    const suffix = this.#suffix(to - from);
    if (typeof suffix === 'number') {
      this.#bad(suffix);
      return;
    }
    // A client still sending when the answer comes, or one told to upgrade that was not, is not kept.
    if (this.#framing === 'close' || !exchange.body.done || facts.upgrade !== null) client.mustClose = true;
    exchange.answered(head.status);
    const { responseSet, route, cors } = exchange.forward;
    const scanner = this.#context.responseScanner;
    const close = client.willClose(facts);
    const options = {
      framing: this.#framing,
      close,
      clientMinor: facts.minor,
      responseSet,
      edges: responseEdges(route),
      cors,
      timing: route.serverTiming ? exchange.timingLine() : '',
      date: scanner.at[KIND.date] === 0 ? this.#context.date.at(facts.arrivedMs) : '',
    };
    let before = relayHead(scanner, text, text.length, head, options);
    if (!exchange.upstream!.reused) exchange.upstream!.keepAliveMs = keepAliveMs(scanner, text);
    this.started = true;
    if (this.#framing === 'chunked' && to > from) before += `${(to - from).toString(16)}\r\n`;
    this.#send(joined(before, buf, from, to, suffix));
  }

  #body(buf: Buffer, from: number, end: number): void {
    if (this.#done) {
      this.#exchange.badResponse('bytes after the end of the response');
      return;
    }
    const to = this.#take(buf, from, end);
    if (to < 0) {
      this.#bad(to);
      return;
    }
    const suffix = this.#suffix(to - from);
    if (typeof suffix === 'number') {
      this.#bad(suffix);
      return;
    }
    if (to === from && suffix === '' && !this.#done) return;
    const before = this.#framing === 'chunked' && to > from ? `${(to - from).toString(16)}\r\n` : '';
    this.#send(joined(before, buf, from, to, suffix));
  }

  #leftover = false;

  /** Decodes in place: the body bytes are `buf[from, answer)`. Or a fault. */
  #take(buf: Buffer, from: number, end: number): number {
    switch (this.#head!.end) {
      case 'none':
        this.#done = true;
        this.#leftover = end > from;
        return from;
      case 'length': {
        const to = Math.min(end, from + this.#left);
        this.#left -= to - from;
        this.#done = this.#left === 0;
        this.#leftover = end > to;
        return to;
      }
      case 'chunked': {
        const next = this.#decoder!.decode(buf, from, end);
        if (next < 0) return next;
        this.#done = this.#decoder!.done;
        this.#leftover = next < end;
        return this.#decoder!.dataEnd;
      }
      default:
        return end;
    }
  }

  /** What follows the bytes of this piece on the client's side, or a fault in the trailers. */
  #suffix(bytes: number): string | number {
    if (this.#framing !== 'chunked') {
      if (this.#done && this.#decoder !== null) {
        const lines = trailerLines(this.#decoder, this.#context.responseNames, () => false);
        if (typeof lines === 'number') return lines;
      }
      return '';
    }
    const chunkEnd = bytes > 0 ? '\r\n' : '';
    if (!this.#done) return chunkEnd;
    let lines: string | number = '';
    if (this.#decoder !== null) lines = trailerLines(this.#decoder, this.#context.responseNames, () => false);
    if (typeof lines === 'number') return lines;
    return `${chunkEnd}0\r\n${this.#exchange.facts.acceptsTrailers ? lines : ''}\r\n`;
  }

  #send(message: string | Buffer): void {
    const exchange = this.#exchange;
    const { client, upstream } = exchange;
    exchange.bytesOut += message.length;
    this.#pieces++;
    if (this.#done) {
      exchange.responseDone(this.#head!.keepAlive && !this.#leftover, this.#pieces === 1);
      client.finish(exchange, message);
      return;
    }
    const room = message.length === 0 || client.write(message);
    if (upstream === null || exchange.over) return;
    if (room) upstream.deadline(exchange.idleMs);
    else {
      upstream.pause();
      upstream.deadline(0);
      client.stalled();
    }
  }

  /** The client has room again. */
  resume(): void {
    const { upstream } = this.#exchange;
    if (upstream === null) return;
    upstream.resume();
    upstream.deadline(this.#exchange.idleMs);
  }

  /** The upstream's FIN. */
  end(): void {
    if (this.#done) return;
    if (this.#head === null) {
      this.#exchange.upstreamGone(this.heard ? 'the connection ended inside the head' : 'the connection ended without an answer');
      return;
    }
    if (this.#head.end !== 'close') {
      this.#exchange.badResponse('the connection ended inside the body');
      return;
    }
    this.#done = true;
    this.#send(this.#framing === 'chunked' ? '0\r\n\r\n' : '');
  }

  #bad(fault: number): void {
    this.#exchange.badResponse(faultOf(fault).because);
  }
}
