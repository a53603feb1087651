import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { jsonString } from './json.ts';
import type { Parcel } from './outbox.ts';

export interface OtlpTarget {
  /** The whole URL, `…/v1/traces`. */
  readonly url: string;
  /** May be secret; never logged. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ExporterParts {
  readonly target: OtlpTarget;
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
  readonly nowMs: () => number;
  readonly after: (ms: number, run: () => void) => { unref(): void };
  /** 0 ≤ … < 1, for backoff. */
  readonly random: () => number;
  readonly onExported: (spans: number) => void;
  readonly onDropped: (spans: number, where: 'queue' | 'collector') => void;
  /** Once when it stops working and once when it works again. */
  readonly onState: (fault: string | null) => void;
}

const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
const REQUEST_BYTES_MAX = 1024 * 1024;
const TIMEOUT_MS = 10_000;
const ATTEMPTS = 4;
const BACKOFF_MS = 1000;
const BACKOFF_MAX_MS = 30_000;
const AFTER = Buffer.from(']}]}]}');
const ANSWER_BYTES_MAX = 64 * 1024;
/** OTLP/HTTP: these answers ask for another try, all others must not be tried again. */
const RETRYABLE = new Set([429, 502, 503, 504]);

interface Outcome {
  /** null: taken. */
  readonly fault: string | null;
  readonly retry: boolean;
  readonly retryAfterMs: number;
  readonly rejected: number;
}

const attributes = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([key, value]) => `{"key":${jsonString(key)},"value":{"stringValue":${jsonString(value)}}}`)
    .join(',');

/**
 * Sends spans to an OTLP/HTTP collector as JSON (opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest): one request at a
 * time, gathered meanwhile up to a bound, beyond which they are dropped and counted. A collector that is down costs nothing else.
 */
export class SpanExporter {
  readonly #parts: ExporterParts;
  readonly #before: Buffer;
  readonly #agent: HttpAgent | HttpsAgent;
  #queue: Parcel[] = [];
  #bytes = 0;
  #sending = false;
  #faulty = false;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(parts: ExporterParts) {
    this.#parts = parts;
    const scope = `{"name":"fluxgate","version":${jsonString(parts.version)}}`;
    const resource = `{"attributes":[${attributes(parts.resource)}]}`;
    this.#before = Buffer.from(`{"resourceSpans":[{"resource":${resource},"scopeSpans":[{"scope":${scope},"spans":[`);
    const kept = { keepAlive: true, maxSockets: 1 };
    this.#agent = parts.target.url.startsWith('https:') ? new HttpsAgent(kept) : new HttpAgent(kept);
  }

  /** `parcel.bytes`: JSON objects, a comma after each. */
  offer(parcel: Parcel): void {
    if (this.#stopped || this.#bytes + parcel.bytes.length > QUEUE_BYTES_MAX) {
      this.#parts.onDropped(parcel.count, 'queue');
      return;
    }
    this.#queue.push(parcel);
    this.#bytes += parcel.bytes.length;
    if (!this.#sending) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    while (this.#queue.length > 0) {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      let count = 0;
      while (this.#queue.length > 0 && (bytes === 0 || bytes + this.#queue[0]!.bytes.length <= REQUEST_BYTES_MAX)) {
        const parcel = this.#queue.shift()!;
        pieces.push(parcel.bytes);
        bytes += parcel.bytes.length;
        count += parcel.count;
      }
      await this.#deliver(Buffer.concat([this.#before, ...pieces]), count);
      this.#bytes -= bytes;
    }
    this.#sending = false;
    for (const done of this.#idle.splice(0)) done();
  }

  /** `open`: the request up to the comma behind its last span. */
  async #deliver(open: Buffer, count: number): Promise<void> {
    const body = Buffer.concat([open.subarray(0, -1), AFTER]);
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#post(body);
      this.#tell(outcome.fault);
      if (outcome.fault === null) {
        const rejected = Math.min(count, outcome.rejected);
        this.#parts.onExported(count - rejected);
        if (rejected > 0) this.#parts.onDropped(rejected, 'collector');
        return;
      }
      if (!outcome.retry || attempt >= ATTEMPTS || this.#stopped) {
        this.#parts.onDropped(count, 'collector');
        return;
      }
      const backoffMs = BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + this.#parts.random());
      await new Promise<void>((resolve) => {
        this.#parts.after(Math.min(BACKOFF_MAX_MS, Math.max(backoffMs, outcome.retryAfterMs)), resolve).unref();
        if (this.#stopped) resolve();
      });
    }
  }

  #tell(fault: string | null): void {
    if ((fault !== null) === this.#faulty) return;
    this.#faulty = fault !== null;
    this.#parts.onState(fault);
  }

  #post(body: Buffer): Promise<Outcome> {
    const failed = (fault: string): Outcome => ({ fault, retry: true, retryAfterMs: 0, rejected: 0 });
    return new Promise((resolve) => {
      const url = new URL(this.#parts.target.url);
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = send(
        url,
        {
          method: 'POST',
          agent: this.#agent,
          timeout: TIMEOUT_MS,
          headers: {
            ...this.#parts.target.headers,
            'content-type': 'application/json',
            'content-length': body.length,
            'user-agent': `fluxgate/${this.#parts.version}`,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
            else response.destroy();
          });
          response.on('error', () => resolve(failed('the answer broke off')));
          response.on('close', () => resolve(this.#judge(response, Buffer.concat(chunks))));
        },
      );
      const limit = this.#parts.after(TIMEOUT_MS, () => request.destroy(new Error('no answer within 10 s')));
      limit.unref();
      request.on('error', (error: NodeJS.ErrnoException) => resolve(failed(error.code ?? error.message)));
      request.end(body);
    });
  }

  #judge(response: IncomingMessage, body: Buffer): Outcome {
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return { fault: null, retry: false, retryAfterMs: 0, rejected: rejectedSpans(body) };
    const seconds = Number(response.headers['retry-after'] ?? 0);
    return {
      fault: `status ${status}`,
      retry: RETRYABLE.has(status),
      retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : 0,
      rejected: 0,
    };
  }

  /** Sends what is there, for no longer than `withinMs`. */
  async stop(withinMs: number): Promise<void> {
    const waited = new Promise<void>((resolve) => {
      if (!this.#sending) resolve();
      else {
        this.#idle.push(resolve);
        this.#parts.after(withinMs, resolve).unref();
      }
    });
    await waited;
    this.#stopped = true;
    this.#agent.destroy();
  }
}

/** `partialSuccess.rejectedSpans` of an answer, a 64-bit number as a string or a number; 0 where it says nothing. */
function rejectedSpans(body: Buffer): number {
  if (body.length === 0) return 0;
  try {
    const answer = JSON.parse(body.toString('utf8')) as { partialSuccess?: { rejectedSpans?: string | number } };
    const rejected = Number(answer.partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  } catch {
    return 0;
  }
}
