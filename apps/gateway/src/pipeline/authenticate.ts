import { type CompiledApiKey, matchKey } from '@fluxgate/policy';
import type { KeyIndexReader, KeyView } from '../memory/ports.ts';
import type { ReplayGuard } from '../memory/replay-memory.ts';
import type { Exchange, RefusalOrPass } from './exchange.ts';
import type { GrantCache } from './grants.ts';
import type { KeyMac, PepperRing } from './hmac.ts';
import { takeFromQuery } from './queryKey.ts';

const REVOKED = 2;
const SUSPENDED = 3;
const RETIRING = 1;
const NEVER_S = 0xffffffff;
const NO_DIGEST = new Uint8Array(16);

const BECAUSE = {
  shape: 'not in the format of a key',
  kind: 'a secret of another kind',
  realm: 'a key of another realm',
  checksum: 'a mistyped or cut key',
} as const;

/** What telling who asks needs to look at. */
export interface KeyRoom {
  readonly realm: string;
  /** null: the sync thread has not given one yet. */
  index: KeyIndexReader | null;
  readonly grants: GrantCache;
  /** null: the secrets lane has not delivered yet. */
  peppers: PepperRing | null;
  /** Any pepper of the ring, for the HMAC that an unknown kid costs. */
  decoy: KeyMac | null;
  /** Which signed requests were let through. null: a route that asks for signatures cannot be served. */
  readonly replays: ReplayGuard | null;
}

/**
 * Reads the key of a request and fills in who it is. Order: one place, shape, kind and realm, checksum (all without a
 * lookup) → index → HMAC → only then state and time, because only the owner of a key may learn what became of it.
 */
export function authenticate(x: Exchange, room: KeyRoom, queryParameter: string | null): RefusalOrPass {
  if (x.possession !== 'unasked' && x.askedSignature === null && x.askedQueryParameter === queryParameter)
    return x.authenticationCode;
  x.askedQueryParameter = queryParameter;
  x.askedSignature = null;
  const code = examine(x, room, queryParameter);
  x.authenticationCode = code;
  return code;
}

function examine(x: Exchange, room: KeyRoom, queryParameter: string | null): RefusalOrPass {
  x.possession = 'absent';
  const settings = x.plan.apiKey;
  if (settings === null) {
    x.possession = 'impossible';
    x.because = 'the route asks for an API key, but no api_key block is configured';
    return 'validation_unavailable';
  }
  const shown = shownKey(x, settings, queryParameter);
  if ('refusal' in shown) return shown.refusal;
  const { text } = shown;
  if (text === '') return unknown(x, 'no key');
  // Where keys come in the Authorization field, a bearer token there is no key that failed.
  x.keyShown = settings.headerLower !== 'authorization' || !/^bearer /i.test(text);

  const key = matchKey(text, 'k', room.realm);
  if (!key.ok) return unknown(x, BECAUSE[key.fault]);

  const peppers = room.peppers;
  const index = room.index;
  if (peppers === null || room.decoy === null || index === null) {
    x.possession = 'impossible';
    x.because = index === null ? 'no key index has arrived yet' : 'no pepper ring has arrived yet';
    return 'validation_unavailable';
  }
  const view = lookUp(room, index, key.kid);
  if (view === undefined) return stalled(x);
  if (view === null) {
    room.decoy.matches(key.kid, key.secret, NO_DIGEST); // as slow as a wrong secret
    return unknown(x, 'unknown key id');
  }
  const mac = peppers.get(view.pepperVersion);
  if (mac === undefined) {
    x.possession = 'impossible';
    x.because = `pepper version ${view.pepperVersion} is not in the ring`;
    return 'validation_unavailable';
  }
  if (!mac.matches(key.kid, key.secret, view.digest)) return unknown(x, 'wrong secret');

  x.possession = 'proven';
  x.kid = key.kid;
  return remember(x, room, view);
}

/** The text that stands where a key may stand; empty: none. */
export function shownKey(
  x: Exchange,
  settings: CompiledApiKey,
  queryParameter: string | null,
): { readonly text: string } | { readonly refusal: RefusalOrPass } {
  const facts = x.facts;
  const fields = facts.headerCount(settings.headerLower);
  if (fields > 1) return { refusal: doubled(x, `${fields} fields ${settings.headerName}`) };
  let text = fields === 1 ? facts.header(settings.headerLower) : undefined;
  if (queryParameter !== null && facts.query !== '') {
    const inQuery = takeFromQuery(facts.query, queryParameter);
    if (inQuery.count > 1) return { refusal: doubled(x, `${inQuery.count} query parameters ${queryParameter}`) };
    if (inQuery.count === 1) {
      if (fields === 1) return { refusal: doubled(x, 'a key in the header and in the query') };
      if (inQuery.value === null) return { refusal: unknown(x, 'the key in the query has broken escapes') };
      text = inQuery.value;
    }
  }
  return { text: text ?? '' };
}

/** From here on the caller has proven possession and may be told what is wrong. */
export function remember(x: Exchange, room: KeyRoom, view: KeyView): RefusalOrPass {
  // The view is the reader's own and moves on with the next lookup: copy.
  x.credential = view.credential;
  x.notAfterS = view.notAfterS;
  x.retiring = view.state === RETIRING && view.notAfterS !== NEVER_S;
  x.name = view.name();
  const refusal = judgeLife(x, view);
  if (refusal !== null) return refusal;
  x.grant = room.grants.get(view.grant);
  if (x.grant === null) {
    x.because = `grant ${view.grant} is not in the state of this node`;
    return 'validation_unavailable';
  }
  return null;
}

function judgeLife(x: Exchange, view: KeyView): RefusalOrPass {
  const code = lifeOf(view, x.nowMs);
  return code === null ? null : proven(x, code, ENDED[code]);
}

const ENDED = { key_revoked: 'revoked', key_suspended: 'suspended', key_expired: 'past its end' } as const;

/** null: the key lives. */
export function lifeOf(view: KeyView, nowMs: number): 'key_revoked' | 'key_suspended' | 'key_expired' | null {
  if (view.state === REVOKED) return 'key_revoked';
  if (view.state === SUSPENDED) return 'key_suspended';
  return nowMs >= endOf(view) ? 'key_expired' : null;
}

/** When the key ends by itself, in milliseconds since 1970. */
export const endOf = (view: KeyView): number => (view.notAfterS === NEVER_S ? Number.POSITIVE_INFINITY : view.notAfterS * 1000);

/** After a wait (for a lease): the key may have been revoked meanwhile, and a revocation counts from the moment it is applied. */
export function stillLives(x: Exchange, room: KeyRoom, nowMs: number): RefusalOrPass {
  x.nowMs = nowMs;
  const view = room.index === null ? undefined : lookUp(room, room.index, x.kid);
  if (view === undefined) return stalled(x);
  return view === null ? proven(x, 'key_revoked', 'deleted while the request waited') : judgeLife(x, view);
}

/**
 * undefined: the writer died in the middle of a change, and nobody can say. The index is then let go at once, since every further look
 * would wait in vain; the sync thread that comes next brings another.
 */
export function lookUp(room: KeyRoom, index: KeyIndexReader, kid: string): KeyView | null | undefined {
  try {
    return index.find(kid);
  } catch {
    room.index = null;
    return undefined;
  }
}

export function stalled(x: Exchange): RefusalOrPass {
  x.possession = 'impossible';
  x.because = 'the key index stopped in the middle of a change; a new one is on its way';
  return 'validation_unavailable';
}

function unknown(x: Exchange, because: string): RefusalOrPass {
  x.because = because;
  return 'invalid_api_key';
}

export function doubled(x: Exchange, because: string): RefusalOrPass {
  x.because = because;
  return 'doubled_credential';
}

function proven(x: Exchange, code: 'key_revoked' | 'key_suspended' | 'key_expired', because: string): RefusalOrPass {
  x.because = because;
  return code;
}
