import { randomBytes } from 'node:crypto';
import {
  createVerifier,
  decodeFrame,
  type Frame,
  type FromNode,
  generateSealingKey,
  type Hello,
  MapShelf,
  openSealed,
  parseToNode,
  RealmState,
  type SealingKeyPair,
  SecretsContent,
  type ToNode,
} from '@fluxgate/protocol/sync';
import { WebSocket } from 'ws';

type Of<T extends ToNode['t']> = Extract<ToNode, { t: T }>;

export interface TestNodeOptions {
  readonly url: string;
  readonly token: string;
  readonly name: string;
  readonly keys?: SealingKeyPair;
  /** Acks by itself what it applied; true unless set. */
  readonly acks?: boolean;
}

/** A node as the protocol wants it, without threads and disk: for tests of the hub. */
export class TestNode {
  readonly name: string;
  readonly keys: SealingKeyPair;
  readonly bootId = randomBytes(8).toString('hex');
  readonly frames: Frame[] = [];
  readonly said: ToNode[] = [];
  readonly socket: WebSocket;
  readonly acks: boolean;
  epoch: string | null = null;
  revision = 0;
  chain: Uint8Array | null = null;
  state = new RealmState(new MapShelf());
  secrets: SecretsContent | null = null;
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  #parts: Extract<Frame, { type: 'snapshot' }>[] = [];
  readonly #watchers = new Set<() => void>();
  #verifier: ReturnType<typeof createVerifier> | null = null;

  constructor(options: TestNodeOptions) {
    this.name = options.name;
    this.keys = options.keys ?? generateSealingKey();
    this.acks = options.acks ?? true;
    this.socket = new WebSocket(`${options.url}/v1/sync`, 'fluxgate.sync.v1', {
      headers: { authorization: `Bearer ${options.token}` },
    });
    this.closed = new Promise((resolve) =>
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
    this.opened.catch(() => undefined); // whoever waits for it hears it
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data, isBinary) => {
      if (isBinary) this.#frame(data as Buffer);
      else this.#text(String(data));
      for (const watcher of this.#watchers) watcher();
    });
  }

  hello(over: Partial<Hello> = {}): Hello {
    return {
      t: 'hello',
      protocol: 1,
      node: this.name,
      bootId: this.bootId,
      version: '0.0.0-test',
      workers: 1,
      publicKey: this.keys.publicKey.toString('base64'),
      epoch: this.epoch,
      revision: this.revision,
      chain: this.chain === null ? null : Buffer.from(this.chain).toString('hex'),
      digest: this.epoch === null ? null : this.digest,
      secretsGeneration: null,
      ...over,
    };
  }

  get digest(): string {
    return Buffer.from(this.state.digest).toString('hex');
  }

  say(message: FromNode): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Connects and waits until it has reached the revision of the welcome. */
  async join(over: Partial<Hello> = {}): Promise<Of<'welcome'>> {
    await this.opened;
    this.say(this.hello(over));
    const welcome = await this.heard('welcome');
    await this.until(() => this.epoch === welcome.epoch && this.revision >= welcome.revision);
    return welcome;
  }

  /** The first message of a kind that `matches`. */
  async heard<T extends ToNode['t']>(t: T, matches: (message: Of<T>) => boolean = () => true): Promise<Of<T>> {
    let found: Of<T> | undefined;
    await this.until(() => {
      found = this.said.find((message): message is Of<T> => message.t === t && matches(message as Of<T>));
      return found !== undefined;
    });
    return found as Of<T>;
  }

  async until(holds: () => boolean, ms = 5_000): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(watcher);
        reject(new Error(`not within ${ms} ms; at revision ${this.revision}, heard ${this.said.map(({ t }) => t).join(' ')}`));
      }, ms);
      const watcher = () => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }

  ack(over: Partial<Extract<FromNode, { t: 'ack' }>> = {}): void {
    this.say({
      t: 'ack',
      epoch: this.epoch ?? '',
      applied: this.revision,
      durable: this.revision,
      digest: this.digest,
      applyUs: 1,
      quarantined: [],
      ...over,
    });
  }

  #text(text: string): void {
    const parsed = parseToNode(text);
    if (!parsed.ok) throw new Error(parsed.why);
    const message = parsed.value;
    this.said.push(message);
    if (message.t === 'welcome') {
      this.#verifier = createVerifier(
        message.signingKeys.map(({ id, publicKey }) => ({ id, publicKey: Buffer.from(publicKey, 'base64') })),
      );
      if (message.intent === 'none') this.epoch = message.epoch;
    }
    if (message.t === 'secrets') {
      const opened = openSealed(this.keys.privateKey, Buffer.from(message.sealed, 'base64'));
      if (!opened.ok) throw new Error(opened.why);
      this.secrets = SecretsContent.parse(JSON.parse(opened.value.toString('utf8')));
    }
  }

  #frame(bytes: Buffer): void {
    if (this.#verifier === null) throw new Error('a frame before the welcome');
    const decoded = decodeFrame(bytes, this.#verifier);
    if (!decoded.ok) throw new Error(decoded.why);
    const { frame } = decoded;
    this.frames.push(frame);
    if (frame.type === 'heartbeat') return;
    if (frame.type === 'snapshot') {
      this.#parts.push(frame);
      if (this.#parts.length < frame.parts) return;
      this.state = new RealmState(new MapShelf());
      for (const part of this.#parts) this.state.apply(part.records);
      this.#parts = [];
      Object.assign(this, { epoch: frame.epoch, revision: frame.revision, chain: frame.chain });
    } else {
      if (frame.from !== this.revision) throw new Error(`a batch from ${frame.from} at ${this.revision}`);
      for (const { records } of frame.revisions) this.state.apply(records);
      Object.assign(this, { revision: frame.to, chain: frame.chainTo });
    }
    if (this.acks) this.ack();
  }
}
