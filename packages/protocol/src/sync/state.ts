import {
  EMPTY_SETTINGS,
  type Grant,
  type KeyRecord,
  type RealmConfig,
  type RouteSpec,
  type Settings,
  type TierSpec,
  type UpstreamSpec,
} from '@fluxgate/policy';
import { addInto, entityHash, subFrom } from './digest.ts';
import { decodeConfigEntity, decodeGrant } from './entities.ts';
import { decodeKeyPayload } from './key-payload.ts';
import { type Decoded, ENTITY, entityName, type StateRecord } from './records.ts';

/**
 * Where the many live: keys by kid, grants by number. A node keeps them in shared memory, everyone else in a Map. Getters give the exact
 * payload that was put, since the digest is taken over it. Putters answer why they cannot keep it (full, number out of range), or null.
 */
export interface KeyShelf {
  keyPayload(kid: string): Uint8Array | null;
  putKey(record: KeyRecord, payload: Uint8Array): string | null;
  deleteKey(kid: string): void;
  grantPayload(number: number): Uint8Array | null;
  putGrant(number: number, grant: Grant, payload: Uint8Array): string | null;
  deleteGrant(number: number): void;
}

/** An entity that could not be read: the value before it is kept, a new one stays absent. */
export interface Held {
  readonly kind: string;
  readonly id: string;
  readonly why: string;
}

interface Kept<T> {
  readonly value: T;
  readonly payload: Uint8Array;
}

export class MapShelf implements KeyShelf {
  readonly keys = new Map<string, Kept<KeyRecord>>();
  readonly grants = new Map<number, Kept<Grant>>();

  keyPayload(kid: string): Uint8Array | null {
    return this.keys.get(kid)?.payload ?? null;
  }
  putKey(record: KeyRecord, payload: Uint8Array): null {
    this.keys.set(record.kid, {
      value: { ...record, digest: Uint8Array.from(record.digest) },
      payload: Uint8Array.from(payload),
    });
    return null;
  }
  deleteKey(kid: string): void {
    this.keys.delete(kid);
  }
  grantPayload(number: number): Uint8Array | null {
    return this.grants.get(number)?.payload ?? null;
  }
  putGrant(number: number, grant: Grant, payload: Uint8Array): null {
    this.grants.set(number, { value: grant, payload: Uint8Array.from(payload) });
    return null;
  }
  deleteGrant(number: number): void {
    this.grants.delete(number);
  }
}

/** Grants come before the keys that name them, and leave after them; the order of records within a kind stays. */
const PUT_ORDER: readonly number[] = [ENTITY.grant, ENTITY.key, ENTITY.settings, ENTITY.upstream, ENTITY.tiers, ENTITY.route];

function rank(record: StateRecord): number {
  if (record.op === 'delete' && record.kind === ENTITY.grant) return PUT_ORDER.length + 1;
  const at = PUT_ORDER.indexOf(record.kind);
  return at < 0 ? PUT_ORDER.length : at;
}

function grantNumber(id: string): number | null {
  return /^(0|[1-9][0-9]{0,9})$/.test(id) && Number(id) <= 0xffff_ffff ? Number(id) : null;
}

/** What applying records did. */
export interface Applied {
  /** Settings, upstreams, tiers or routes differ: a new plan is due. */
  readonly configChanged: boolean;
  readonly keysChanged: number;
}

/**
 * The state of a realm, built from records. The digest counts the entities that are present, so it differs from the control
 * plane's by exactly the entities held.
 */
export class RealmState {
  readonly #shelf: KeyShelf;
  readonly #config = new Map<number, Map<string, Kept<unknown>>>();
  readonly #held = new Map<string, Held>();
  readonly #digest = Buffer.alloc(32);

  constructor(shelf: KeyShelf) {
    this.#shelf = shelf;
  }

  get digest(): Buffer {
    return Buffer.from(this.#digest);
  }

  get held(): Held[] {
    return [...this.#held.values()];
  }

  /** Applies one revision (or part of a snapshot). Unreadable records are held; nothing throws on their account. */
  apply(records: readonly StateRecord[]): Applied {
    let configChanged = false;
    let keysChanged = 0;
    const sorted = isInOrder(records) ? records : inOrder(records);
    for (const record of sorted) {
      const result = this.#applyOne(record);
      if (!result.ok) {
        this.#held.set(`${record.kind}/${record.id}`, { kind: entityName(record.kind), id: record.id, why: result.why });
        continue;
      }
      if (this.#held.size > 0) this.#held.delete(`${record.kind}/${record.id}`);
      if (record.kind === ENTITY.key) keysChanged += 1;
      else if (record.kind !== ENTITY.grant) configChanged = true;
    }
    return { configChanged, keysChanged };
  }

  #applyOne(record: StateRecord): Decoded<null> {
    if (record.kind === ENTITY.key) return this.#applyKey(record);
    if (record.kind === ENTITY.grant) return this.#applyGrant(record);
    let ofKind = this.#config.get(record.kind);
    const before = ofKind?.get(record.id)?.payload ?? null;
    if (record.payload === null) {
      ofKind?.delete(record.id);
    } else {
      const decoded = decodeConfigEntity(record.kind, record.id, record.payload);
      if (!decoded.ok) return decoded;
      if (ofKind === undefined) {
        ofKind = new Map();
        this.#config.set(record.kind, ofKind);
      }
      ofKind.set(record.id, { value: decoded.value.value, payload: Uint8Array.from(record.payload) });
    }
    this.#count(record, before);
    return DONE;
  }

  #applyKey(record: StateRecord): Decoded<null> {
    if (record.payload === null) {
      const before = this.#shelf.keyPayload(record.id);
      if (before !== null) {
        this.#count(record, before);
        this.#shelf.deleteKey(record.id);
      }
      return DONE;
    }
    const decoded = decodeKeyPayload(record.id, record.payload);
    if (!decoded.ok) return decoded;
    return this.#put(record, this.#shelf.keyPayload(record.id), (payload) => this.#shelf.putKey(decoded.value, payload));
  }

  #applyGrant(record: StateRecord): Decoded<null> {
    const number = grantNumber(record.id);
    if (number === null) return { ok: false, why: 'the id is not a grant number' };
    if (record.payload === null) {
      const before = this.#shelf.grantPayload(number);
      if (before !== null) {
        this.#count(record, before);
        this.#shelf.deleteGrant(number);
      }
      return DONE;
    }
    const decoded = decodeGrant(record.payload);
    if (!decoded.ok) return decoded;
    return this.#put(record, this.#shelf.grantPayload(number), (payload) => this.#shelf.putGrant(number, decoded.value, payload));
  }

  #put(record: StateRecord, before: Uint8Array | null, put: (payload: Uint8Array) => string | null): Decoded<null> {
    if (record.payload === null) return DONE;
    const why = put(record.payload);
    if (why !== null) return { ok: false, why };
    this.#count(record, before);
    return DONE;
  }

  /** `before`: the payload that is replaced, as a copy or immutable. */
  #count(record: StateRecord, before: Uint8Array | null): void {
    if (before !== null) subFrom(this.#digest, entityHash(record.kind, record.id, before));
    if (record.payload !== null) addInto(this.#digest, entityHash(record.kind, record.id, record.payload));
  }

  #values<T>(kind: number): T[] {
    const ofKind = this.#config.get(kind);
    if (ofKind === undefined) return [];
    // By name, so that the same state is the same plan whatever the order in which it came about.
    return [...ofKind].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, kept]) => kept.value as T);
  }

  /** The configuration as it stands; defaults where nothing was configured. */
  config(): RealmConfig {
    return {
      settings: this.#values<Settings>(ENTITY.settings)[0] ?? EMPTY_SETTINGS,
      upstreams: this.#values<UpstreamSpec>(ENTITY.upstream),
      tiers: this.#values<TierSpec[]>(ENTITY.tiers)[0] ?? [],
      routes: this.#values<RouteSpec>(ENTITY.route),
    };
  }

  /** Everything but keys and grants as records (kind, then id), for a snapshot. */
  configRecords(): StateRecord[] {
    const records: StateRecord[] = [];
    for (const kind of [ENTITY.settings, ENTITY.upstream, ENTITY.tiers, ENTITY.route]) {
      const ofKind = [...(this.#config.get(kind) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
      for (const [id, kept] of ofKind) records.push({ op: 'put', kind, id, payload: kept.payload });
    }
    return records;
  }
}

const DONE: Decoded<null> = { ok: true, value: null };

function isInOrder(records: readonly StateRecord[]): boolean {
  for (let i = 1; i < records.length; i++) if (rank(records[i - 1]!) > rank(records[i]!)) return false;
  return true;
}

/** Of several records of one entity only the last counts, so that moving them cannot change the outcome. */
function inOrder(records: readonly StateRecord[]): StateRecord[] {
  const last = new Map<string, StateRecord>();
  for (const record of records) {
    const key = `${record.kind}/${record.id}`;
    last.delete(key);
    last.set(key, record);
  }
  return [...last.values()].sort((a, b) => rank(a) - rank(b));
}

export interface BuiltState {
  readonly config: RealmConfig;
  readonly keys: ReadonlyMap<string, KeyRecord>;
  readonly grants: ReadonlyMap<number, Grant>;
  readonly held: readonly Held[];
  readonly digest: Buffer;
}

/** The state that these records make, from nothing. The control plane runs it before it commits: `held` must be empty. */
export function buildState(records: readonly StateRecord[]): BuiltState {
  const shelf = new MapShelf();
  const state = new RealmState(shelf);
  state.apply(records);
  return {
    config: state.config(),
    keys: new Map([...shelf.keys].map(([kid, kept]) => [kid, kept.value])),
    grants: new Map([...shelf.grants].map(([number, kept]) => [number, kept.value])),
    held: state.held,
    digest: state.digest,
  };
}

/** Why the decoder of a node would hold this record, or null. What the control plane asks of each record before it commits. */
export function judgeRecord(record: StateRecord): string | null {
  if (record.payload === null) {
    if (record.kind === ENTITY.grant && grantNumber(record.id) === null) return 'the id is not a grant number';
    return null;
  }
  const decoded: Decoded<unknown> =
    record.kind === ENTITY.key
      ? decodeKeyPayload(record.id, record.payload)
      : record.kind === ENTITY.grant
        ? grantNumber(record.id) === null
          ? { ok: false, why: 'the id is not a grant number' }
          : decodeGrant(record.payload)
        : decodeConfigEntity(record.kind, record.id, record.payload);
  return decoded.ok ? null : decoded.why;
}
