import { facts } from '../pipeline/fakes.ts';
import type { Answer, Recorded, RequestFacts } from '../seam.ts';

/** A forwarded request as the wire records it: 1.5 ms before the upstream, 8 ms with it, 0.5 ms after. */
export function recorded(over: Partial<Recorded> = {}, overFacts: Partial<RequestFacts> = {}): Recorded {
  return {
    facts: { ...facts({ path: '/v1/things' }), ...overFacts },
    decision: null,
    status: 200,
    upstreamTarget: '10.0.0.7:9000',
    upstreamSpan: 'b7ad6b7169203331',
    startedMs: 1000,
    handedMs: 1001.5,
    firstByteMs: 1008.25,
    upstreamEndMs: 1009.5,
    durationMs: 10,
    bytesIn: 120,
    bytesOut: 345,
    fault: null,
    ...over,
  };
}

export const refusal = (over: Partial<Answer> = {}): Answer => ({
  kind: 'answer',
  status: 429,
  headers: [],
  body: '',
  route: null,
  code: 'rate_limited',
  because: 'over the limit',
  ...over,
});
