import { constants, createECDH, generateKeyPairSync, type KeyObject, privateEncrypt } from 'node:crypto';

/** An answer of the emulator: status and JSON. */
export type Emulated = readonly [status: number, body: object | null];
export const errors = (status: number, ...messages: string[]): Emulated => [status, { errors: messages }];

interface Version {
  data: Record<string, unknown> | null;
  readonly createdAt: string;
  deletedAt: string;
  destroyed: boolean;
}

interface Document {
  readonly versions: Version[];
  custom: Record<string, string>;
}

/** KV version 2 as far as FluxGate uses it. */
export class EmulatedKv {
  readonly documents = new Map<string, Document>();

  handle(method: string, kind: string, name: string, body: Record<string, unknown>): Emulated {
    if (kind === 'metadata' && method === 'LIST') return this.#list(name);
    const document = this.documents.get(name);
    if (kind === 'data' && method === 'GET') return this.#read(document);
    if (kind === 'data' && method === 'POST') return this.#write(name, document, body);
    if (document === undefined) return errors(404);
    if (kind === 'subkeys' && method === 'GET') {
      const [status, answer] = this.#read(document);
      if (status !== 200) return [status, answer];
      const newest = document.versions.at(-1);
      const subkeys = Object.fromEntries(Object.keys(newest?.data ?? {}).map((field) => [field, null]));
      return [200, { data: { subkeys, metadata: this.#metadata(document) } }];
    }
    if (kind === 'metadata' && method === 'PATCH') {
      document.custom = { ...document.custom, ...(body['custom_metadata'] as Record<string, string>) };
      return [204, null];
    }
    if (kind === 'metadata' && method === 'DELETE') {
      this.documents.delete(name);
      return [204, null];
    }
    if (kind === 'destroy' && method === 'POST') {
      for (const number of body['versions'] as number[]) {
        const version = document.versions[number - 1];
        if (version !== undefined) Object.assign(version, { data: null, destroyed: true });
      }
      return [204, null];
    }
    if (kind === 'data' && method === 'DELETE') {
      const newest = document.versions.at(-1);
      if (newest !== undefined) newest.deletedAt = new Date().toISOString();
      return [204, null];
    }
    return errors(405, 'unsupported operation');
  }

  #metadata({ versions, custom }: Document): object {
    const newest = versions.at(-1);
    return {
      version: versions.length,
      created_time: newest?.createdAt,
      deletion_time: newest?.deletedAt,
      destroyed: newest?.destroyed,
      custom_metadata: custom,
    };
  }

  #read(document: Document | undefined): Emulated {
    if (document === undefined) return errors(404);
    const newest = document.versions.at(-1);
    const gone = newest === undefined || newest.destroyed || newest.deletedAt !== '';
    return [gone ? 404 : 200, { data: { data: gone ? null : newest.data, metadata: this.#metadata(document) } }];
  }

  #write(name: string, document: Document | undefined, body: Record<string, unknown>): Emulated {
    const cas = (body['options'] as { cas?: number } | undefined)?.cas;
    const version = document?.versions.length ?? 0;
    if (cas !== undefined && cas !== version) return errors(400, 'check-and-set parameter did not match the current version');
    const kept = document ?? { versions: [], custom: {} };
    const data = body['data'] as Record<string, unknown>;
    kept.versions.push({ data, createdAt: new Date().toISOString(), deletedAt: '', destroyed: false });
    this.documents.set(name, kept);
    return [200, { data: { version: kept.versions.length, created_time: kept.versions.at(-1)?.createdAt } }];
  }

  #list(folder: string): Emulated {
    const keys = new Set<string>();
    for (const name of this.documents.keys()) {
      if (!name.startsWith(folder)) continue;
      const rest = name.slice(folder.length);
      const cut = rest.indexOf('/');
      keys.add(cut < 0 ? rest : rest.slice(0, cut + 1));
    }
    return keys.size === 0 ? errors(404) : [200, { data: { keys: [...keys].sort() } }];
  }
}

interface TransitKey {
  readonly type: string;
  readonly privateKey: KeyObject;
  readonly publicPem: string;
  readonly createdAt: string;
  deletable: boolean;
}

/** Transit's asymmetric keys as far as FluxGate uses them. */
export class EmulatedTransit {
  readonly keys = new Map<string, TransitKey>();

  handle(method: string, path: string, body: Record<string, unknown>): Emulated {
    if (method === 'LIST' && path === 'keys')
      return this.keys.size === 0 ? errors(404) : [200, { data: { keys: [...this.keys.keys()] } }];
    const [, kind, name = '', rest] = /^(keys|sign)\/([\w.-]+)(?:\/(.+))?$/.exec(path) ?? [];
    const key = this.keys.get(name);
    if (kind === 'keys' && method === 'POST' && rest === undefined) return this.#make(name, String(body['type']));
    if (kind === 'sign') return key === undefined ? errors(400, 'signing key not found') : this.#sign(key, rest ?? '', body);
    if (kind !== 'keys') return errors(404, 'no handler for route');
    if (key === undefined) return method === 'GET' ? errors(404) : errors(400, 'no existing key found');
    if (method === 'GET') {
      const keys = { 1: { public_key: key.publicPem, creation_time: key.createdAt } };
      return [200, { data: { type: key.type, exportable: false, keys } }];
    }
    if (rest === 'config') {
      key.deletable = body['deletion_allowed'] === true;
      return [200, null];
    }
    if (!key.deletable) return errors(400, 'deletion is not allowed for this key');
    this.keys.delete(name);
    return [204, null];
  }

  #make(name: string, type: string): Emulated {
    const pair = type.startsWith('rsa')
      ? generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) })
      : generateKeyPairSync('ec', { namedCurve: type === 'ecdsa-p384' ? 'P-384' : 'P-256' });
    const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    this.keys.set(name, { type, privateKey: pair.privateKey, publicPem, createdAt: new Date().toISOString(), deletable: false });
    return [200, null];
  }

  #sign(key: TransitKey, hash: string, body: Record<string, unknown>): Emulated {
    const digest = Buffer.from(String(body['input']), 'base64');
    const expected = key.type === 'ecdsa-p384' ? ['sha2-384', 48] : ['sha2-256', 32];
    if (body['prehashed'] !== true || hash !== expected[0] || digest.length !== expected[1]) return errors(400, 'not a digest');
    const signature = rawSign(key.privateKey, digest);
    const text = body['marshaling_algorithm'] === 'jws' ? signature.toString('base64url') : signature.toString('base64');
    return [200, { data: { signature: `vault:v1:${text}` } }];
  }
}

const RSA_PREFIX = Buffer.from('3031300d060960864801650304020105000420', 'hex'); // RFC 8017 §9.2, SHA-256

/** Signs a digest. node:crypto hashes what it signs, so RSA goes through the raw private operation and ECDSA is done by hand. */
function rawSign(key: KeyObject, digest: Buffer): Buffer {
  if (key.asymmetricKeyType === 'ec') return ecdsa(key, digest);
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([RSA_PREFIX, digest]));
}

const CURVES = {
  'P-256': { name: 'prime256v1', bytes: 32, n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n },
  'P-384': {
    name: 'secp384r1',
    bytes: 48,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
} as const;

const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let b = base % modulus, e = exponent; e > 0n; e >>= 1n, b = (b * b) % modulus) if (e & 1n) result = (result * b) % modulus;
  return result;
}

/** FIPS 186-5 §6.4.1, R ‖ S. For tests only: nothing here runs in constant time. */
function ecdsa(key: KeyObject, digest: Buffer): Buffer {
  const { crv, d } = key.export({ format: 'jwk' });
  const { name, bytes, n } = CURVES[crv as keyof typeof CURVES];
  const ecdh = createECDH(name);
  const point = ecdh.generateKeys();
  const k = number(ecdh.getPrivateKey());
  const r = number(point.subarray(1, 1 + bytes)) % n;
  const s = (power(k, n - 2n, n) * (number(digest) + r * number(Buffer.from(String(d), 'base64url')))) % n;
  const hex = (value: bigint) => value.toString(16).padStart(bytes * 2, '0');
  return Buffer.from(hex(r) + hex(s), 'hex');
}
