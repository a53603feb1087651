import { splitListenAddress } from '@fluxgate/policy';

const WILDCARDS = new Set(['0.0.0.0', '::']);

/** One of these addresses is the node's own, or takes its connections. */
export function covers(addresses: readonly string[], port: number, host: string): boolean {
  return addresses.some((address) => {
    const at = splitListenAddress(address);
    return at !== null && at.port === port && (at.host === host || WILDCARDS.has(at.host) || WILDCARDS.has(host));
  });
}
