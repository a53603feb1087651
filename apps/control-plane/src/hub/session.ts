import { type Command, type FromNode, type Hello, parseFromNode, type ToNode } from '@fluxgate/protocol/sync';
import type { WebSocket } from 'ws';
import type { CommandAnswer } from '../services.ts';
import type { TokenHolder } from './options.ts';

/** Bytes that may wait in a socket before nothing more is put into it: then the node is behind, and catches up when it reads again. */
const BUFFERED_BYTES_MAX = 1024 * 1024;
/** A node that asks and asks but never reads its answers is cut off. */
const REPLIES_BYTES_MAX = 8 * 1024 * 1024;
/** Requests of one node being answered at once. */
const PENDING_MAX = 1_000;

export type CloseReason =
  | 'not_a_message'
  | 'unexpected_message'
  | 'protocol_version'
  | 'bad_hello'
  | 'hello_timeout'
  | 'node_name_taken'
  | 'replaced'
  | 'token_ended'
  | 'lie'
  | 'too_many_requests'
  | 'silent'
  | 'new_epoch'
  | 'shutting_down'
  | 'unavailable';

/** RFC 6455 §7.4: 1000s are the standard's, 4000s are ours. */
const CLOSE_CODES: Record<CloseReason, number> = {
  not_a_message: 1007,
  unexpected_message: 1002,
  protocol_version: 4400,
  bad_hello: 4400,
  hello_timeout: 4408,
  node_name_taken: 4409,
  replaced: 4409,
  token_ended: 4401,
  lie: 4403,
  too_many_requests: 4429,
  silent: 4408,
  new_epoch: 4410,
  shutting_down: 1001,
  unavailable: 4503,
};

export interface Progress {
  epoch: string | null;
  applied: number;
  durable: number;
  digest: string | null;
  quarantined: readonly { readonly kind: string; readonly id: string; readonly why: string }[];
}

/** One node's socket, from the upgrade to its end. */
export class Session {
  readonly holder: TokenHolder;
  readonly address: string;
  readonly socket: WebSocket;
  /** Set by the hello. */
  hello: Hello | null = null;
  publicKey: Uint8Array = new Uint8Array();
  /** True from the welcome on: it counts as a live node. */
  live = false;
  /** Last revision put into the socket. */
  cursor = 0;
  readonly progress: Progress = { epoch: null, applied: 0, durable: 0, digest: null, quarantined: [] };
  /** Generation of the secrets it was sent or said to have. */
  secretsGeneration: string | null = null;
  /** Generation that all its workers verify with, as it said. */
  secretsHeld: string | null = null;
  lastHeardMs: number;
  /** Not yet in the node table. */
  dirty = false;
  flushedAtMs = 0;
  pending = 0;
  closing: CloseReason | null = null;
  /** Commands that wait for their result. */
  readonly commands = new Map<string, (answer: CommandAnswer) => void>();
  #pumping = false;
  #again = false;

  constructor(socket: WebSocket, holder: TokenHolder, address: string, nowMs: number) {
    this.socket = socket;
    this.holder = holder;
    this.address = address;
    this.lastHeardMs = nowMs;
  }

  get realm(): string {
    return this.holder.realm;
  }

  get name(): string {
    return this.hello?.node ?? '';
  }

  /** Names this boot as holder of leases and source of usage reports. */
  get source(): string {
    return `${this.realm}/${this.name}/${this.hello?.bootId ?? ''}`;
  }

  get isOpen(): boolean {
    return this.closing === null && this.socket.readyState === this.socket.OPEN;
  }

  /** What the log may know of a session: nothing that is secret. */
  get about(): object {
    return { realm: this.realm, node: this.name, token: this.holder.kid, address: this.address };
  }

  /** False: it was not sent, and never will be. */
  say(message: ToNode): boolean {
    if (!this.isOpen) return false;
    if (this.socket.bufferedAmount > REPLIES_BYTES_MAX) {
      this.close('too_many_requests', 5_000);
      return false;
    }
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Sends shared bytes; resolves when the socket can take more. False: the socket is gone. */
  async send(frame: Uint8Array): Promise<boolean> {
    if (!this.isOpen) return false;
    if (this.socket.bufferedAmount + frame.byteLength <= BUFFERED_BYTES_MAX) {
      this.socket.send(frame);
      return true;
    }
    await new Promise<void>((resolve) => this.socket.send(frame, () => resolve()));
    return this.isOpen;
  }

  /** For what is worthless when late. */
  sendUnlessBehind(frame: Uint8Array): void {
    if (this.isOpen && this.socket.bufferedAmount + frame.byteLength <= BUFFERED_BYTES_MAX) this.socket.send(frame);
  }

  /** Runs `step` until it answers false; calls that come meanwhile make it run once more, never twice at once. */
  async pump(step: () => Promise<boolean>): Promise<void> {
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    this.#pumping = true;
    try {
      do {
        this.#again = false;
        while (this.isOpen && (await step()));
      } while (this.#again && this.isOpen);
    } finally {
      this.#pumping = false;
    }
  }

  /** Parsed message, or why not. */
  static read(
    data: unknown,
    isBinary: boolean,
  ): { readonly ok: true; readonly value: FromNode } | { readonly ok: false; readonly why: string } {
    if (isBinary) return { ok: false, why: 'a binary message' };
    return parseFromNode(Buffer.isBuffer(data) ? data.toString('utf8') : String(data));
  }

  /** True: the caller has to answer and then call `answered`. */
  admit(): boolean {
    if (this.pending >= PENDING_MAX) {
      this.close('too_many_requests', 5_000);
      return false;
    }
    this.pending += 1;
    return true;
  }

  answered(): void {
    this.pending -= 1;
  }

  /** Never rejects: silence and a socket that ends are answers too. */
  command(id: string, name: string, args: Command['args'], timeoutMs: number): Promise<CommandAnswer> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle({ ok: false, body: { why: 'no answer in time' } }), timeoutMs);
      const settle = (answer: CommandAnswer): void => {
        clearTimeout(timer);
        this.commands.delete(id);
        resolve(answer);
      };
      this.commands.set(id, settle);
      if (!this.say({ t: 'command', id, name, args })) settle({ ok: false, body: { why: 'the node has left' } });
    });
  }

  /** The socket is gone: nobody answers any more. */
  abandonCommands(): void {
    for (const settle of [...this.commands.values()]) settle({ ok: false, body: { why: 'the node has left' } });
  }

  close(reason: CloseReason, retryAfterMs: number): void {
    if (this.closing !== null) return;
    const wasOpen = this.isOpen;
    this.closing = reason;
    if (wasOpen) {
      this.socket.send(JSON.stringify({ t: 'goodbye', reason, retryAfterMs } satisfies ToNode));
      this.socket.close(CLOSE_CODES[reason], reason);
    } else {
      this.socket.terminate();
    }
  }
}
