import { randomBytes } from 'node:crypto';
import { encodeKid, encodeSecret, formatKey } from '@fluxgate/policy';
import { keyDigest } from '@fluxgate/protocol/sync';

export interface BenchKey {
  readonly text: string;
  readonly kid: string;
  readonly digest: Buffer;
}

/** Keys of one run, for the gateway and its peers alike. Nothing here outlives the run. */
export interface BenchKeys {
  readonly pepper: Buffer;
  readonly plain: readonly BenchKey[];
  /** Confined to routes and networks. */
  readonly confined: readonly BenchKey[];
  /** Well-formed keys that nobody was given. */
  readonly strangers: readonly string[];
}

export function makeKeys(count: number): BenchKeys {
  const pepper = randomBytes(32);
  const one = (): BenchKey => {
    const kid = encodeKid(randomBytes(16));
    const secret = encodeSecret(randomBytes(32));
    return { text: formatKey('k', 'live', kid, secret), kid, digest: Buffer.from(keyDigest(pepper, kid, secret)) };
  };
  const some = (): BenchKey[] => Array.from({ length: count }, one);
  return { pepper, plain: some(), confined: some(), strangers: some().map((key) => key.text) };
}

/** Every key that is good, under the name that proxies tell upstreams. */
export const goodKeys = (keys: BenchKeys): readonly { readonly text: string; readonly name: string }[] =>
  [...keys.plain, ...keys.confined].map(({ text }, i) => ({ text, name: `key${i}` }));

/** As a file, for a process of its own. */
export interface WrittenKeys {
  /** Hexadecimal, as the digests. */
  readonly pepper: string;
  readonly keys: readonly { readonly kid: string; readonly digest: string }[];
}

export const writtenKeys = (keys: BenchKeys): string =>
  JSON.stringify({
    pepper: keys.pepper.toString('hex'),
    keys: keys.plain.map(({ kid, digest }) => ({ kid, digest: digest.toString('hex') })),
  } satisfies WrittenKeys);
