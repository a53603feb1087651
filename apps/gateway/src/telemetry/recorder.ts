import type { Recorded, RequestFacts } from '../seam.ts';
import { accessLine, Timestamps } from './accessLine.ts';
import type { AccessPolicy } from './accessPolicy.ts';
import { Outbox, type Parcel } from './outbox.ts';
import { hasClientSpan, isTraced, spansOf } from './spans.ts';

/** Lines of refusals that a worker writes per second, at most: a flood of bad keys must not become a flood of lines. */
export const REFUSALS_PER_SECOND = 50;
const LINES_BYTES_MAX = 4 * 1024 * 1024;
const SPANS_BYTES_MAX = 2 * 1024 * 1024;
/** A parcel of this size is sent at once, smaller ones with the next tick. */
const PARCEL_BYTES = 64 * 1024;
/** What a line or a pair of spans takes at most, nearly always. */
const PIECE_BYTES = 2048;

export interface RecorderParts {
  readonly access: AccessPolicy;
  /** Spans are exported. */
  readonly spans: boolean;
  /** 16 random hex digits. */
  readonly spanId: () => string;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly send: (parcels: Parcels) => void;
}

/** From a worker to main. Spans are JSON objects, each parcel with commas between and one at its end. */
export interface Parcels {
  readonly lines: Parcel | null;
  readonly spans: Parcel | null;
  /** Since the last time. */
  readonly droppedLines: number;
  readonly droppedSpans: number;
}

/** Turns what became of a request into a line and spans, where they are wanted. Unused, it costs two comparisons a request. */
export class Recorder {
  readonly #parts: RecorderParts;
  readonly #lines = new Outbox(LINES_BYTES_MAX);
  readonly #spans = new Outbox(SPANS_BYTES_MAX);
  readonly #timestamps = new Timestamps();
  #requests = 0;
  #refusals = 0;
  #refusalsSkipped = 0;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  record(recorded: Recorded): void {
    const { access, spans } = this.#parts;
    const facts = spans ? recorded.facts : null;
    const traced = facts !== null && isTraced(facts);
    const logged = access.mode === 'off' ? false : access.mode === 'all' ? true : this.#isLogged(recorded);
    if (!traced && !logged) return;
    const span = traced ? this.#parts.spanId() : recorded.upstreamSpan;
    if (logged && !this.#lines.isFull(PIECE_BYTES))
      this.#lines.offer(accessLine(recorded, this.#timestamps.text(this.#parts.wallMs()), span));
    if (traced) this.#trace(recorded, facts, span);
    if (this.#lines.length >= PARCEL_BYTES || this.#spans.length >= PARCEL_BYTES) this.#send();
  }

  #trace(recorded: Recorded, facts: RequestFacts, span: string): void {
    const count = hasClientSpan(recorded) ? 2 : 1;
    if (!this.#spans.isFull(PIECE_BYTES, count)) this.#spans.offer(`${spansOf(recorded, facts, span)},`, count);
  }

  #isLogged(recorded: Recorded): boolean {
    if (this.#parts.access.mode === 'sampled') {
      // Not by trace id: that is the client's choice, and a client must not choose whether it is seen.
      if (++this.#requests < this.#parts.access.oneIn) return false;
      this.#requests = 0;
      return true;
    }
    const refused = recorded.decision?.kind === 'answer' && recorded.decision.code !== null;
    if (!refused && (recorded.fault === null || recorded.status === 101)) return false;
    if (this.#refusals >= REFUSALS_PER_SECOND) {
      this.#refusalsSkipped++;
      return false;
    }
    this.#refusals++;
    return true;
  }

  /** Sends what has gathered. Called a few times a second, and once at the end. */
  flush(): void {
    this.#send();
  }

  /** Called once a second. */
  newSecond(): void {
    this.#refusals = 0;
  }

  confirm(lineBytes: number, spanBytes: number): void {
    this.#lines.confirm(lineBytes);
    this.#spans.confirm(spanBytes);
  }

  #send(): void {
    const parcels = {
      lines: this.#lines.take(),
      spans: this.#spans.take(),
      droppedLines: this.#lines.takeDropped() + this.#refusalsSkipped,
      droppedSpans: this.#spans.takeDropped(),
    };
    this.#refusalsSkipped = 0;
    if (parcels.lines !== null || parcels.spans !== null || parcels.droppedLines > 0 || parcels.droppedSpans > 0)
      this.#parts.send(parcels);
  }
}
