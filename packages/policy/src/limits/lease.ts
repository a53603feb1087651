/**
 * How many tokens one node is given at once: what it is likely to use within the horizon, never more than its half share
 * of what is left, so that leases shrink towards the end and little lies idle on other nodes. 0 only if nothing is left.
 */
export function leaseSize(input: {
  readonly left: number;
  readonly activeNodes: number;
  /** Requests per second this node sees for the subject. */
  readonly ratePerS: number;
  readonly horizonS: number;
}): number {
  const left = Math.floor(input.left);
  if (!(left > 0)) return 0;
  const share = Math.floor(left / (2 * Math.max(1, input.activeNodes)));
  const wanted = Math.ceil(Math.max(0, input.ratePerS) * Math.max(0, input.horizonS));
  return Math.max(1, Math.min(Number.isFinite(wanted) ? wanted : share, share));
}
