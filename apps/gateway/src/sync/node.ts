import type { NodeToken, Secrets, SecretsContent, ToNode, Verifier, Welcome } from '@fluxgate/protocol/sync';
import { createVerifier, decodeFrame, PROTOCOL_VERSION, parseToNode, sameBytes } from '@fluxgate/protocol/sync';
import { LeaseKeeper } from '../memory/lease-keeper.ts';
import { StateDisk } from './disk.ts';
import type { Identity } from './identity.ts';
import { LeaseDesk } from './leases.ts';
import { type Change, NodeState } from './node-state.ts';
import { beginSession, onFrame, onWelcome, type Position, type SessionState, type Step } from './session.ts';
import type {
  CommandMessage,
  CommandResultMessage,
  FromWorker,
  LogMessage,
  SyncStatus,
  SyncThreadData,
} from './thread-messages.ts';
import { UsageDesk } from './usage.ts';
import { type WorkerPort, Workers } from './workers.ts';

/** The socket as the node needs it (`Line`). */
export interface NodeLine {
  send(message: object): boolean;
  drop(why: string): void;
  settled(): void;
  postpone(retryAfterMs: number): void;
}

export interface SyncNodeParts {
  readonly data: SyncThreadData;
  readonly token: NodeToken;
  readonly identity: Identity;
  readonly line: NodeLine;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly log: (level: LogMessage['level'], event: string, fields: LogMessage['fields']) => void;
  readonly onStatus: (status: SyncStatus) => void;
  /** Once: the workers decide by the state from disk, or there is none. Time to connect. */
  readonly onReady: () => void;
  /** Answered by `answer`, if the line lives so long. */
  readonly onCommand: (command: CommandMessage) => void;
}

const QUARANTINE_TOLD_MAX = 100;
const TEXT_MAX = 300;
/** How often workers hear that the control plane is there. */
const LINK_EVERY_MS = 1000;

/**
 * The node's mind: state from disk and from the control plane, into the index and to the workers; acks, leases, usage back. It owns no
 * socket and no timer: those call it.
 */
export class SyncNode {
  readonly #parts: SyncNodeParts;
  readonly #state = new NodeState();
  readonly #disk: StateDisk;
  readonly #workers: Workers;
  readonly #leases: LeaseDesk;
  readonly #usage: UsageDesk;
  #verifier: Verifier;
  #session: SessionState | null = null;
  /** What is held shall not be continued: the next hello asks for a snapshot. */
  #resync = false;
  #isReady = false;
  #statusIsDue = false;
  #secrets: SecretsContent | null = null;
  #durable: Position | null = null;
  #head = 0;
  #controlPlane: string | null = null;
  #trouble: string | null = null;
  #lastContactMs: number | null = null;
  #linkToldMs = 0;
  #applyUs = 0;
  #acked = '';
  #secretsAcked: string | null = null;
  readonly #frames = { applied: 0, refused: 0 };

  constructor(parts: SyncNodeParts) {
    this.#parts = parts;
    const { data, identity, monotonicMs, nowMs, line } = parts;
    this.#verifier = createVerifier(identity.pinned);
    this.#disk = new StateDisk(data.dataDir, {
      onDurable: (position) => {
        this.#durable = position;
        this.#acknowledge();
      },
      onTrouble: (why) => parts.log('error', 'state on disk', { why }),
    });
    this.#workers = new Workers(
      (worker, message) => this.#onWorker(worker, message),
      () => {
        this.#statusIsDue = true;
        this.#acknowledge();
        this.#acknowledgeSecrets();
        this.#ready();
      },
      (why) =>
        parts.log('error', 'a plan that no worker can compile is held; the one before stays in force', {
          why: why.slice(0, TEXT_MAX),
        }),
    );
    const send = (message: object): boolean => this.#isFollowing && line.send(message);
    this.#leases = new LeaseDesk({ keeper: new LeaseKeeper(data.leases, monotonicMs()), monotonicMs, send });
    this.#leases.disconnected();
    this.#usage = new UsageDesk({ bootId: data.bootId, firstSeq: nowMs(), monotonicMs, send });
  }

  get #isFollowing(): boolean {
    return this.#session?.phase === 'following';
  }

  // ── from disk ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Serves what was kept. Before any connection: the control plane may be dead. */
  boot(): void {
    const { identity, log } = this.#parts;
    this.#secrets = identity.keptSecrets();
    this.#publishPeppers();
    const startedMs = this.#parts.monotonicMs();
    const recovered = this.#disk.recover(this.#verifier);
    if (recovered === null) {
      this.#workers.publishIndex(this.#state.index.handles());
      this.#publishLink();
      log('info', 'no state on disk', { dir: this.#parts.data.dataDir });
      this.#ready();
      return;
    }
    for (const note of recovered.notes) log('warn', 'recovered around damage', { note });
    const { snapshot, batches, position } = recovered;
    const start = snapshot[0];
    if (start !== undefined)
      this.#state.loadSnapshot(snapshot, { epoch: start.epoch, revision: start.revision, chain: start.chain });
    for (const revisions of batches) this.#state.applyRevisions(revisions, position);
    this.#durable = position;
    this.#head = position.revision;
    this.#publishLink();
    this.#publish({ configChanged: true, indexReplaced: true }, position);
    log('info', 'state from disk', {
      epoch: position.epoch,
      revision: position.revision,
      keys: this.#state.index.size,
      ms: Math.round(this.#parts.monotonicMs() - startedMs),
    });
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#parts.onReady();
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  joinWorker(worker: number, port: WorkerPort): void {
    this.#workers.join(worker, port);
  }

  leaveWorker(worker: number): void {
    this.#workers.leave(worker);
  }

  #onWorker(worker: number, message: Exclude<FromWorker, { t: 'plan-applied' | 'peppers-applied' }>): void {
    switch (message.t) {
      case 'lease': {
        const { id } = message;
        this.#leases.request(message.subject, (outcome) => this.#workers.send(worker, { t: 'lease-answer', id, outcome }));
        return;
      }
      case 'prefetch':
        this.#leases.prefetch(message.subject);
        return;
      case 'usage':
        this.#usage.add(message.entries);
        return;
    }
  }

  // ── the line ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  onOpen(url: string): void {
    const { data, identity, token, line } = this.#parts;
    this.#controlPlane = url;
    this.#session = beginSession(token.realm, this.#state.position, identity.formerEpochs, this.#head);
    // What all workers decide by: frames between that and what is held come again, and are known.
    const applied = this.#workers.applied;
    const resync = this.#resync;
    const position = resync ? this.#state.position : applied;
    line.send({
      t: 'hello',
      protocol: PROTOCOL_VERSION,
      node: data.nodeName,
      bootId: data.bootId,
      version: data.version,
      workers: data.workers,
      publicKey: identity.publicKey.toString('base64'),
      epoch: position?.epoch ?? null,
      revision: position?.revision ?? 0,
      chain: resync || position === null ? null : hex(position.chain),
      digest: resync || applied === null ? null : hex(applied.digest),
      secretsGeneration: this.#secrets?.generation ?? null,
    });
  }

  onDown(trouble: string | null): void {
    this.#session = null;
    this.#controlPlane = null;
    if (trouble !== null && trouble !== this.#trouble) this.#parts.log('warn', 'no control plane', { why: trouble });
    this.#trouble = trouble ?? 'the node is stopping';
    this.#leases.disconnected();
    this.#publishLink();
    this.#tellStatus();
  }

  onText(text: string): void {
    const parsed = parseToNode(text);
    if (!parsed.ok) {
      this.#refuse(parsed.why);
      return;
    }
    const message: ToNode = parsed.value;
    if (message.t === 'welcome') {
      this.#onWelcome(message);
      return;
    }
    if (message.t === 'goodbye') {
      this.#trouble = `the control plane ended the connection: ${message.reason.slice(0, TEXT_MAX)}`;
      this.#parts.line.postpone(message.retryAfterMs);
      this.#drop(this.#trouble);
      return;
    }
    if (!this.#isFollowing) {
      this.#refuse(`${message.t} before the welcome`);
      return;
    }
    switch (message.t) {
      case 'secrets':
        this.#onSecrets(message);
        break;
      case 'lease_grant':
        this.#leases.onGrant(message);
        break;
      case 'command':
        this.#parts.onCommand({ t: 'command', id: message.id, name: message.name, args: message.args });
        break;
      case 'usage_ack':
        this.#usage.acknowledged(message.seq);
        break;
    }
  }

  answer({ id, ok, body }: CommandResultMessage): void {
    if (this.#isFollowing) this.#parts.line.send({ t: 'command_result', id, ok, body });
  }

  onBytes(bytes: Buffer): void {
    if (this.#session === null) return;
    const result = decodeFrame(bytes, this.#verifier);
    if (!result.ok) {
      this.#refuse(`a frame that is refused (${result.fault}): ${result.why}`);
      return;
    }
    this.#take(onFrame(this.#session, { frame: result.frame, bytes }));
  }

  #onWelcome(welcome: Welcome): void {
    if (this.#session === null) return;
    const { identity, line, log } = this.#parts;
    const trusted = identity.pin(welcome.signingKeys);
    if (trusted) this.#verifier = createVerifier(identity.pinned);
    this.#take(onWelcome(this.#session, welcome, trusted));
    if (!this.#isFollowing) return;
    line.settled();
    this.#resync = false;
    this.#trouble = null;
    this.#acked = '';
    this.#secretsAcked = null;
    this.#leases.connected();
    this.#usage.connected();
    log('info', 'joined the control plane', {
      url: this.#controlPlane,
      epoch: welcome.epoch,
      head: welcome.revision,
      intent: welcome.intent,
    });
    this.#publishLink();
    this.#acknowledge();
    this.#acknowledgeSecrets();
    this.#tellStatus();
  }

  /** A new pepper is used for keys only after all nodes have said this. */
  #acknowledgeSecrets(): void {
    const held = this.#workers.peppersGeneration;
    if (!this.#isFollowing || held === null || held === this.#secretsAcked) return;
    this.#parts.line.send({ t: 'secrets_ack', generation: held });
    this.#secretsAcked = held;
  }

  #onSecrets(message: Secrets): void {
    const content = this.#parts.identity.openSecrets(message);
    if (content === null) {
      this.#refuse('secrets that are not sealed to this node');
      return;
    }
    this.#secrets = content;
    this.#publishPeppers();
    this.#parts.log('info', 'secrets', { generation: content.generation });
    this.#parts.identity.keepSecrets(message);
  }

  #take(step: Step): void {
    this.#session = step.state;
    this.#head = Math.max(step.state.head, 0);
    for (const effect of step.effects) {
      switch (effect.t) {
        case 'close':
          this.#resync ||= effect.resync;
          this.#refuse(effect.why);
          return;
        case 'contact':
          this.#lastContactMs = this.#parts.nowMs();
          if (this.#lastContactMs - this.#linkToldMs >= LINK_EVERY_MS) this.#publishLink();
          break;
        case 'apply-batch': {
          const startedMs = this.#parts.monotonicMs();
          const change = this.#state.applyRevisions(effect.revisions, effect.position);
          this.#applyUs = Math.round((this.#parts.monotonicMs() - startedMs) * 1000);
          this.#frames.applied += 1;
          this.#publish(change, effect.position);
          this.#disk.append(effect.signed, effect.position);
          break;
        }
        case 'apply-snapshot': {
          const startedMs = this.#parts.monotonicMs();
          const frames = effect.parts.map((part) => part.frame);
          const change = this.#state.loadSnapshot(frames, effect.position);
          this.#applyUs = Math.round((this.#parts.monotonicMs() - startedMs) * 1000);
          this.#frames.applied += effect.parts.length;
          this.#parts.identity.leaveEpochs(step.state.formerEpochs);
          this.#judgeDigest(frames[0]?.digest);
          this.#publish(change, effect.position);
          this.#disk.writeSnapshot(effect.parts, effect.position);
          break;
        }
      }
    }
  }

  /** The content of a snapshot must sum to what it announces; what is held back explains a difference, nothing else does. */
  #judgeDigest(announced: Uint8Array | undefined): void {
    if (announced === undefined || this.#state.held.length > 0 || sameBytes(announced, this.#state.digest)) return;
    this.#parts.log('error', 'the digest of a snapshot is not that of its content', {
      announced: hex(announced),
      computed: hex(this.#state.digest),
    });
  }

  /** What came is not to be believed: nothing of it was applied. The socket is closed, the state stays. */
  #refuse(why: string): void {
    this.#frames.refused += 1;
    this.#parts.log('warn', 'refused what the control plane sent', { why: why.slice(0, TEXT_MAX) });
    this.#drop(why.slice(0, TEXT_MAX));
  }

  #drop(why: string): void {
    this.#session = null;
    this.#parts.line.drop(why);
  }

  // ── to workers and back to the control plane ───────────────────────────────────────────────────────────────────────────

  #publish(change: Change, position: Position): void {
    if (change.indexReplaced) this.#workers.publishIndex(this.#state.index.handles());
    if (change.configChanged) this.#workers.publishPlan(position.epoch, position.revision, this.#state.configJson());
    this.#workers.reach({ ...position, digest: this.#state.digest });
  }

  #publishPeppers(): void {
    if (this.#secrets === null) return;
    const { generation, peppers } = this.#secrets;
    this.#workers.publishPeppers({
      t: 'peppers',
      generation,
      peppers: Object.entries(peppers).map(
        ([version, bytes]) => [Number(version), Uint8Array.from(Buffer.from(bytes, 'base64'))] as const,
      ),
    });
  }

  #publishLink(): void {
    this.#linkToldMs = this.#lastContactMs ?? 0;
    this.#workers.publishLink({ t: 'link', state: this.#linkState, lastContactMs: this.#lastContactMs });
  }

  get #linkState(): SyncStatus['state'] {
    if (this.#state.position === null) return 'empty';
    return this.#isFollowing ? 'live' : 'static';
  }

  #quarantined(): { kind: string; id: string; why: string }[] {
    const plan = this.#workers.faults.map((why) => ({ kind: 'plan', id: '', why: why.slice(0, TEXT_MAX) }));
    const held = this.#state.held.map(({ kind, id, why }) => ({ kind, id, why: why.slice(0, TEXT_MAX) }));
    return [...plan, ...held].slice(0, QUARANTINE_TOLD_MAX);
  }

  #acknowledge(): void {
    const applied = this.#workers.applied;
    if (applied === null || !this.#isFollowing || applied.epoch !== this.#session?.epoch) return;
    const durable = this.#durable?.epoch === applied.epoch ? Math.min(this.#durable.revision, applied.revision) : 0;
    const quarantined = this.#quarantined();
    const content = JSON.stringify([applied.epoch, applied.revision, durable, quarantined]);
    if (content === this.#acked) return;
    const sent = this.#parts.line.send({
      t: 'ack',
      epoch: applied.epoch,
      applied: applied.revision,
      durable,
      digest: hex(applied.digest),
      applyUs: this.#applyUs,
      quarantined,
    });
    if (sent) this.#acked = content;
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A few times a second. */
  tick(): void {
    this.#leases.expire();
    this.#usage.tick();
    if (this.#statusIsDue) this.#tellStatus();
  }

  /** Once a second. */
  second(): void {
    this.#leases.tend();
    this.#disk.sync();
    this.#acknowledge();
    this.#tellStatus();
    if (this.#isFollowing && this.#disk.wantsSnapshot) {
      this.#resync = true;
      this.#drop('the log on disk has outgrown its snapshot: asking for a new one');
    }
  }

  /** Leases go back, usage goes out, the disk is brought up to date. Then the line may be closed. */
  stop(): void {
    this.#leases.returnAll();
    this.#usage.flush();
    this.#disk.close();
    this.#acknowledge();
  }

  #tellStatus(): void {
    this.#statusIsDue = false;
    const applied = this.#workers.applied;
    this.#parts.onStatus({
      realm: this.#parts.token.realm,
      state: this.#linkState,
      connected: this.#isFollowing,
      controlPlane: this.#controlPlane,
      epoch: this.#state.position?.epoch ?? null,
      head: this.#head,
      applied: applied?.revision ?? 0,
      durable: this.#durable?.revision ?? 0,
      digest: applied === null ? null : hex(applied.digest),
      keys: this.#state.index.size,
      secretsGeneration: this.#secrets?.generation ?? null,
      lastContactMs: this.#lastContactMs,
      quarantined: this.#quarantined(),
      trouble: this.#isFollowing ? null : this.#trouble,
      frames: { ...this.#frames },
      leases: { ...this.#leases.counts },
    });
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
