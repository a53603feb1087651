import type { Answer } from '../seam.ts';

/** W3C Server Timing: metrics `fluxgate` (what the gateway added so far) and `upstream` (until its first byte), in milliseconds. */
export function serverTiming(gatewayMs: number, upstreamMs: number | null): string {
  const own = `fluxgate;dur=${gatewayMs.toFixed(3)}`;
  return upstreamMs === null ? own : `${own}, upstream;dur=${upstreamMs.toFixed(3)}`;
}

/** The gateway's own answer on a route with `server_timing`. */
export const withTiming = (answer: Answer, gatewayMs: number, upstreamMs: number | null): Answer => ({
  ...answer,
  headers: [...answer.headers, 'Server-Timing', serverTiming(gatewayMs, upstreamMs)],
});
