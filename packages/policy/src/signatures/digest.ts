import { parseDictionary } from '../fields/parse.ts';
import { type FieldReading, isInnerList } from '../fields/structured.ts';

/** One digest of the body, of an algorithm that RFC 9530 §5 calls active. */
export interface ContentDigest {
  readonly algorithm: 'sha-256' | 'sha-512';
  readonly bytes: Uint8Array;
}

const LENGTH = { 'sha-256': 32, 'sha-512': 64 } as const;

/** `Content-Digest` (RFC 9530 §2). Algorithms that prove nothing are passed over; at least one that does is needed, and all of those must match. */
export function readContentDigest(values: readonly string[]): FieldReading<readonly ContentDigest[]> {
  const dictionary = parseDictionary(values.join(', '));
  if (!dictionary.ok) return { ok: false, why: `Content-Digest: ${dictionary.why}` };
  const digests: ContentDigest[] = [];
  for (const [algorithm, member] of dictionary.value) {
    if (isInnerList(member) || member.bare.type !== 'bytes')
      return { ok: false, why: `Content-Digest: ${algorithm} is no byte sequence` };
    if (algorithm !== 'sha-256' && algorithm !== 'sha-512') continue;
    const bytes = member.bare.value;
    if (bytes.length !== LENGTH[algorithm]) return { ok: false, why: `Content-Digest: ${algorithm} of ${bytes.length} bytes` };
    digests.push({ algorithm, bytes });
  }
  return digests.length > 0
    ? { ok: true, value: digests }
    : { ok: false, why: 'Content-Digest holds neither sha-256 nor sha-512' };
}
