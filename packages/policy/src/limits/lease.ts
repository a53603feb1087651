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
  // Reports of nodes may be nonsense; what is not a number counts as the smallest.
  const nodes = Math.max(1, input.activeNodes || 1);
  const share = Math.floor(left / (2 * nodes));
  const wanted = Math.ceil(input.ratePerS * input.horizonS);
  return wanted > 1 ? Math.max(1, Math.min(wanted, share)) : 1;
}
