import { FRAME_BYTES_MAX } from '@fluxgate/protocol/sync';
import { WebSocket } from 'ws';

const SUBPROTOCOL = 'fluxgate.sync.v1';
const PATH = '/v1/sync';
const HANDSHAKE_MS = 5000;
/** Heartbeats come once a second; a line that is silent for this long is dead, whatever TCP believes. */
const SILENCE_MS = 6000;
const GRACE_MS = 500;
const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 10_000;
/** The control plane may ask for a longer pause. */
const RETRY_AFTER_MAX_MS = 60_000;

export type Target = { readonly ok: true; readonly url: string } | { readonly ok: false; readonly why: string };

/** The socket's URL for a control-plane URL; plain only to this machine. */
export function syncUrl(controlPlane: string): Target {
  let url: URL;
  try {
    url = new URL(controlPlane);
  } catch {
    return { ok: false, why: `${controlPlane} is not a URL` };
  }
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  if (!secure && url.protocol !== 'http:' && url.protocol !== 'ws:')
    return { ok: false, why: `${controlPlane}: use https or wss` };
  if (!secure && !isLoopback(url.hostname))
    return { ok: false, why: `${controlPlane}: without TLS only loopback is allowed, use https` };
  if (url.username !== '' || url.password !== '') return { ok: false, why: 'a control-plane URL carries no credentials' };
  const path = url.pathname.replace(/\/+$/, '');
  return { ok: true, url: `${secure ? 'wss' : 'ws'}://${url.host}${path.endsWith(PATH) ? path : path + PATH}` };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Decorrelated jitter: grows, but never in step with other nodes. `random`: 0 ≤ x < 1. */
export function nextBackoffMs(previousMs: number, random: () => number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS + random() * (Math.max(BACKOFF_MIN_MS, previousMs) * 3 - BACKOFF_MIN_MS));
}

export interface LineEvents {
  onOpen(url: string): void;
  onText(text: string): void;
  onBytes(bytes: Buffer): void;
  /** `trouble`: for people; null when this side wanted it. */
  onDown(trouble: string | null): void;
}

export interface LineParts {
  /** From `syncUrl`; tried in turn. */
  readonly urls: readonly string[];
  /** `Bearer` credential of the node. */
  readonly credential: string;
  readonly caPem: string | null;
  readonly random: () => number;
  readonly events: LineEvents;
}

/** One socket to some control plane, again and again until it is closed. */
export class Line {
  readonly #parts: LineParts;
  #socket: WebSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #watch: NodeJS.Timeout | null = null;
  #turn = 0;
  #backoffMs = 0;
  #retryAfterMs = 0;
  #ended = false;

  constructor(parts: LineParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#connect();
  }

  /** The conversation works: the next loss starts with a short pause again. */
  settled(): void {
    this.#backoffMs = 0;
  }

  /** The control plane asks to stay away for a while. */
  postpone(retryAfterMs: number): void {
    this.#retryAfterMs = Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
  }

  /** False: there is no open socket. */
  send(message: object): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Drops the socket and comes again after the usual pause. */
  drop(why: string): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#lost(socket, why);
    socket.close(4000, 'starting over');
    setTimeout(() => socket.terminate(), 1000).unref();
  }

  /** For good. Resolves when what was sent has left. */
  async end(): Promise<void> {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const socket = this.#socket;
    if (socket === null) return;
    await new Promise<void>((closed) => {
      socket.once('close', () => closed());
      setTimeout(() => {
        socket.terminate();
        closed();
      }, 500).unref();
      socket.close(1000, 'stopping');
    });
  }

  #connect(): void {
    const url = this.#parts.urls[this.#turn % this.#parts.urls.length] ?? '';
    this.#turn += 1;
    const socket = new WebSocket(url, SUBPROTOCOL, {
      headers: { authorization: `Bearer ${this.#parts.credential}` },
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      handshakeTimeout: HANDSHAKE_MS,
      followRedirects: false,
      ...(this.#parts.caPem === null ? {} : { ca: this.#parts.caPem }),
    });
    this.#socket = socket;
    const { events } = this.#parts;
    socket.on('open', () => {
      if (this.#socket !== socket) return;
      this.#heard(socket);
      events.onOpen(url);
    });
    socket.on('ping', () => {
      if (this.#socket === socket) this.#heard(socket);
    });
    socket.on('message', (data, isBinary) => {
      if (this.#socket !== socket) return;
      this.#heard(socket);
      const bytes = Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
      if (isBinary) events.onBytes(bytes);
      else events.onText(bytes.toString('utf8'));
    });
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      this.#lost(socket, refusalOf(response.statusCode ?? 0));
    });
    socket.on('error', (error) =>
      this.#lost(socket, `${url}: ${error.message || (error as NodeJS.ErrnoException).code || 'failed'}`),
    );
    socket.on('close', (code, reason) =>
      this.#lost(socket, `${url}: closed (${code}${reason.length > 0 ? ` ${reason.toString('utf8').slice(0, 120)}` : ''})`),
    );
  }

  #heard(socket: WebSocket): void {
    if (this.#watch !== null) clearTimeout(this.#watch);
    const give = (): void => {
      this.#lost(socket, 'the control plane is silent');
      socket.terminate();
    };
    // In two steps: if this thread was busy for as long, what came meanwhile is read before it is judged silent.
    this.#watch = setTimeout(() => {
      this.#watch = setTimeout(give, GRACE_MS);
    }, SILENCE_MS);
  }

  #lost(socket: WebSocket, why: string): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    if (this.#watch !== null) clearTimeout(this.#watch);
    this.#parts.events.onDown(this.#ended ? null : why);
    if (this.#ended) return;
    this.#backoffMs = nextBackoffMs(this.#backoffMs, this.#parts.random);
    const pauseMs = Math.max(this.#backoffMs, this.#retryAfterMs);
    this.#retryAfterMs = 0;
    this.#timer = setTimeout(() => this.#connect(), pauseMs);
  }
}

function refusalOf(status: number): string {
  if (status === 401) return 'the control plane refuses the node token (401): was it revoked, or is it of another installation?';
  if (status === 404) return 'there is no sync socket at that URL (404): is it a FluxGate control plane?';
  return `the control plane answers ${status}`;
}
