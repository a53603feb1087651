import type { Grant, RealmConfig, RouteSpec } from '@fluxgate/policy';
import { encodeKid, encodeSecret, PLAIN_ROUTE } from '@fluxgate/policy';
import {
  createSigner,
  createVerifier,
  ENTITY,
  encodeBatch,
  encodeHeartbeat,
  encodeKeyPayload,
  encodeRecords,
  encodeSnapshot,
  formatNodeToken,
  generateSigningKey,
  jsonPayload,
  type NodeToken,
  parseNodeToken,
  publicKeyFingerprint,
  putRecord,
  type StateRecord,
  stateCodec,
  type Welcome,
  ZERO_HASH,
} from '@fluxgate/protocol/sync';

/** A realm as a control plane holds it, for tests of this folder: writes revisions, signs frames. */
export class TestRealm {
  readonly pair = generateSigningKey();
  readonly signer = createSigner(1, this.pair.seed);
  readonly verifier = createVerifier([{ id: 1, publicKey: this.pair.publicKey }]);
  readonly token: NodeToken;
  readonly tokenText: string;
  epoch: string;
  readonly log: Buffer[] = [];
  readonly chains: Uint8Array[] = [ZERO_HASH];
  readonly #entities = new Map<string, StateRecord>();

  constructor(epoch = 'epoch-1') {
    this.epoch = epoch;
    this.tokenText = formatNodeToken(
      'live',
      encodeKid(Buffer.alloc(16, 1)),
      encodeSecret(Buffer.alloc(32, 2)),
      publicKeyFingerprint(this.pair.publicKey),
    );
    const token = parseNodeToken(this.tokenText);
    if (token === null) throw new Error('no token');
    this.token = token;
  }

  get revision(): number {
    return this.log.length;
  }

  get chain(): Uint8Array {
    return this.chains[this.revision]!;
  }

  get digest(): Uint8Array {
    let sum: Uint8Array = ZERO_HASH;
    for (const { kind, id, payload } of this.#entities.values()) sum = stateCodec.add(sum, stateCodec.hash(kind, id, payload!));
    return sum;
  }

  write(...records: StateRecord[]): this {
    for (const record of records) {
      if (record.op === 'put') this.#entities.set(`${record.kind}/${record.id}`, record);
      else this.#entities.delete(`${record.kind}/${record.id}`);
    }
    const bytes = encodeRecords(records);
    this.chains.push(stateCodec.chain(this.chain, this.revision + 1, bytes));
    this.log.push(bytes);
    return this;
  }

  /** Revisions from+1 … to. */
  batch(from: number, to = this.revision, urgent = false): Buffer {
    return encodeBatch(this.signer, {
      epoch: this.epoch,
      from,
      chainFrom: this.chains[from]!,
      urgent,
      revisions: this.log.slice(from, to),
    });
  }

  snapshot(partBytes?: number): Buffer[] {
    const { epoch, revision, chain, digest } = this;
    const id = Buffer.alloc(16, revision);
    const records = [...this.#entities.values()].sort((a, b) => a.kind - b.kind);
    return encodeSnapshot(this.signer, { epoch, id, revision, chain, digest, records }, partBytes);
  }

  heartbeat(timeMs: number): Buffer {
    return encodeHeartbeat(this.signer, { epoch: this.epoch, revision: this.revision, chain: this.chain, timeMs });
  }

  welcome(intent: Welcome['intent']): Welcome {
    return {
      t: 'welcome',
      protocol: 1,
      realm: 'live',
      epoch: this.epoch,
      revision: this.revision,
      signingKeys: [{ id: 1, publicKey: this.pair.publicKey.toString('base64') }],
      intent,
      timeMs: 1,
    };
  }
}

const GRANT: Grant = { scopes: ['read:orders'], routes: null, cidrs: null, quota: null, requestBudget: null, owner: null };

export const kidOf = (n: number): string => `kid${String(n).padStart(9, '0')}`;

export function key(n: number, state: 'active' | 'revoked' = 'active'): StateRecord {
  const digest = Buffer.alloc(16, n);
  return putRecord(
    ENTITY.key,
    kidOf(n),
    encodeKeyPayload({ digest, pepperVersion: 1, state, notAfterS: 0xffff_ffff, grant: 1, credential: n, name: `svc-${n}` }),
  );
}

export const grant = (number = 1): StateRecord => putRecord(ENTITY.grant, String(number), jsonPayload(GRANT));

export const routeSpec = (name: string, prefix = `/${name}`): RouteSpec => ({
  ...PLAIN_ROUTE,
  name,
  prefix,
  host: null,
  methods: null,
  upstream: { url: 'http://127.0.0.1:1' },
  auth: 'none',
  middleware: [],
  labels: {},
  owner: null,
});

export const route = (name: string, prefix?: string): StateRecord =>
  putRecord(ENTITY.route, name, jsonPayload(routeSpec(name, prefix)));

export const routeNames = (config: string): string[] => (JSON.parse(config) as RealmConfig).routes.map(({ name }) => name);
