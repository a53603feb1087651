import type { AnswerRefusal, Decide, Record as RecordExchange } from '../seam.ts';
import type { HeadScanner } from './head-scanner.ts';
import type { LastingExchanges } from './lasting-exchanges.ts';
import type { WireLimits } from './limits.ts';
import type { NameTable } from './names.ts';
import type { ReadContext } from './read-request.ts';
import type { DateLine } from './relay-head.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { TracePool } from './trace.ts';
import type { UpgradedStreams } from './upgraded-streams.ts';
import type { UpstreamDirectory } from './upstream-directory.ts';

/** Wall clock in milliseconds, and a clock that never jumps for deadlines. */
export interface WireClock {
  nowMs(): number;
  monotonicMs(): number;
}

/** What all connections of one worker have in common. Replaced members: `read` on a new plan, `draining` on the way out. */
export interface WireContext {
  read: ReadContext;
  draining: boolean;
  readonly decide: Decide;
  readonly answerRefusal: AnswerRefusal;
  readonly record: RecordExchange;
  /** Something threw that should not have. */
  readonly onFault: (error: unknown) => void;
  readonly clock: WireClock;
  readonly limits: WireLimits;
  readonly wheel: TimerWheel;
  readonly trace: TracePool;
  readonly date: DateLine;
  requestScanner: HeadScanner;
  readonly responseScanner: HeadScanner;
  readonly responseNames: NameTable;
  readonly upstreams: UpstreamDirectory;
  readonly upgraded: UpgradedStreams;
  readonly lasting: LastingExchanges;
}
