import { ByteReader, ByteWriter, Malformed } from './bytes.ts';

/** What sync carries. The numbers are part of the format. */
export const ENTITY = { settings: 1, upstream: 2, tiers: 3, route: 4, grant: 5, key: 6 } as const;
export type EntityName = keyof typeof ENTITY;
export type EntityKind = (typeof ENTITY)[EntityName];

const NAMES: readonly (EntityName | undefined)[] = [undefined, 'settings', 'upstream', 'tiers', 'route', 'grant', 'key'];

/** For status and logs; a kind that this version does not know is named by its number. */
export function entityName(kind: number): string {
  return NAMES[kind] ?? `kind-${kind}`;
}

/** One change of one entity. A revision is an ordered list of these. `payload` is null exactly when `op` is delete. */
export interface StateRecord {
  readonly op: 'put' | 'delete';
  readonly kind: number;
  readonly id: string;
  readonly payload: Uint8Array | null;
}

export const ENTITY_ID_BYTES_MAX = 512;
export const ENTITY_PAYLOAD_BYTES_MAX = 1024 * 1024;
/** All records of one revision, encoded. A larger write must be split by the control plane. */
export const REVISION_BYTES_MAX = 4 * 1024 * 1024;

const PUT = 1;
const DELETE = 2;
/** op, kind, length of the id, no id. */
const RECORD_BYTES_MIN = 4;

export function putRecord(kind: number, id: string, payload: Uint8Array): StateRecord {
  return { op: 'put', kind, id, payload };
}

export function deleteRecord(kind: number, id: string): StateRecord {
  return { op: 'delete', kind, id, payload: null };
}

/** JSON payload of the kinds settings … grant. */
export function jsonPayload(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/**
 * `u32 count`, then per record `op u8 | kind u8 | idLength u16 | id` and, for a put, `payloadLength u32 | payload`.
 * Throws RangeError when an id, a payload or the whole is over its bound: the caller checks sizes before it commits.
 */
export function encodeRecords(records: readonly StateRecord[]): Buffer {
  const out = new ByteWriter(16 + records.length * 96);
  out.u32(records.length);
  for (const record of records) {
    const id = Buffer.from(record.id, 'utf8');
    if (id.length > ENTITY_ID_BYTES_MAX) throw new RangeError(`entity id of ${id.length} bytes, at most ${ENTITY_ID_BYTES_MAX}`);
    out
      .u8(record.op === 'put' ? PUT : DELETE)
      .u8(record.kind)
      .u16(id.length)
      .bytes(id);
    if (record.op === 'delete') continue;
    const payload = record.payload;
    if (payload === null) throw new RangeError(`put of ${entityName(record.kind)} ${record.id} without a payload`);
    if (payload.byteLength > ENTITY_PAYLOAD_BYTES_MAX) {
      throw new RangeError(
        `${entityName(record.kind)} ${record.id} has ${payload.byteLength} bytes, at most ${ENTITY_PAYLOAD_BYTES_MAX}`,
      );
    }
    out.u32(payload.byteLength).bytes(payload);
  }
  if (out.length > REVISION_BYTES_MAX) throw new RangeError(`a revision of ${out.length} bytes, at most ${REVISION_BYTES_MAX}`);
  return out.finish();
}

/** Payloads are views into `bytes`. Throws Malformed. */
export function readRecords(bytes: Uint8Array): StateRecord[] {
  if (bytes.byteLength > REVISION_BYTES_MAX) throw new Malformed(`records of ${bytes.byteLength} bytes`);
  const reader = new ByteReader(bytes);
  const count = reader.u32();
  if (count * RECORD_BYTES_MIN > reader.left) throw new Malformed(`${count} records cannot fit in ${reader.left} bytes`);
  const records: StateRecord[] = [];
  for (let i = 0; i < count; i++) {
    const op = reader.u8();
    const kind = reader.u8();
    const idLength = reader.u16();
    if (idLength > ENTITY_ID_BYTES_MAX) throw new Malformed(`entity id of ${idLength} bytes`);
    const id = reader.text(idLength);
    if (op === DELETE) {
      records.push({ op: 'delete', kind, id, payload: null });
    } else if (op === PUT) {
      const length = reader.u32();
      if (length > ENTITY_PAYLOAD_BYTES_MAX) throw new Malformed(`payload of ${length} bytes`);
      records.push({ op: 'put', kind, id, payload: reader.bytes(length) });
    } else {
      throw new Malformed(`unknown operation ${op}`);
    }
  }
  reader.end();
  return records;
}

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** Turns `Malformed` into a value; anything else is a fault and goes on. */
export function guarded<T>(read: () => T): Decoded<T> {
  try {
    return { ok: true, value: read() };
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, why: error.message };
    throw error;
  }
}

export function decodeRecords(bytes: Uint8Array): Decoded<StateRecord[]> {
  return guarded(() => readRecords(bytes));
}
