import { randomBytes } from 'node:crypto';
import { encodeKid } from '@fluxgate/policy';

/** Time and chance, handed to everything that needs them; a test brings its own. */
export interface Door {
  nowMs(): number;
  randomBytes(count: number): Buffer;
}

export const systemDoor: Door = { nowMs: () => Date.now(), randomBytes: (count) => randomBytes(count) };

export type IdKind = 'key' | 'rot' | 'req' | 'client';

/** `key_…`, `rot_…`, `req_…`, `client_…`: 12 base62 characters of chance after the kind. */
export function newId(door: Door, kind: IdKind): string {
  return `${kind}_${encodeKid(door.randomBytes(16))}`;
}
