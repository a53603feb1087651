import net from 'node:net';
import { type Address, type Listener as ListenerSpec, parseAddress } from '@fluxgate/policy';
import { DEFAULT_LIMITS } from '../http/limits.ts';
import { BACKLOG, type Origin, PLAIN, SERVER_OPTIONS } from '../http/wire.ts';
import { type CertificateSet, loadCertificates } from './certificates.ts';
import { type Proxied, readProxied } from './proxy-door.ts';
import type { TlsFiles } from './tls-files.ts';
import { TlsFront } from './tls-front.ts';

export interface ListenerDoor {
  /** The wire. */
  accept(socket: net.Socket, origin: Origin): void;
  isTrusted(address: Address): boolean;
}

export interface ListenerParts {
  readonly door: ListenerDoor;
  readonly files: TlsFiles;
  readonly reusePort: boolean;
  readonly handshakeMs: number;
  readonly proxyHeaderMs: number;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

export interface ListenerState {
  readonly address: string;
  /** open: takes connections; held: its certificates cannot be used; failed: the address cannot be had. */
  readonly state: 'open' | 'held' | 'failed';
  /** What is wrong, for people; an open listener may have something wrong, too (an old certificate in use). null: nothing. */
  readonly why: string | null;
  /** When its first certificate ends, milliseconds since 1970; null: no TLS. */
  readonly certificateEndsMs: number | null;
}

/** One address that takes connections. What happens to a connection may change at any time; the address stays open meanwhile. */
export class OpenListener {
  readonly host: string;
  readonly port: number;
  spec: ListenerSpec;
  readonly #parts: ListenerParts;
  #server: net.Server | null = null;
  #front: TlsFront | null = null;
  #why: string | null = null;
  #failed: string | null = null;
  #endsMs: number | null = null;
  #stamps = '';
  readonly #proxied = new Map<string, Pick<Origin, 'source' | 'vpcEndpoint'>>();

  constructor(host: string, port: number, spec: ListenerSpec, parts: ListenerParts) {
    this.host = host;
    this.port = port;
    this.spec = spec;
    this.#parts = parts;
    this.#renew();
  }

  get state(): ListenerState {
    const state = this.#server !== null ? 'open' : this.#failed !== null ? 'failed' : 'held';
    const ended = this.#endsMs !== null && this.#endsMs <= this.#parts.nowMs() ? 'a certificate has ended' : null;
    return { address: this.spec.address, state, why: this.#failed ?? this.#why ?? ended, certificateEndsMs: this.#endsMs };
  }

  get boundPort(): number | null {
    return this.#server === null ? null : (this.#server.address() as net.AddressInfo).port;
  }

  /** Nothing is opened before its certificates are there. Rejects with the error of `listen`. */
  open(): Promise<void> {
    if (this.#server !== null || (this.spec.tls.length > 0 && this.#front === null)) return Promise.resolve();
    const server = net.createServer(SERVER_OPTIONS, (socket) => this.#connected(socket));
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        this.#failed = failure(error.code);
        reject(error);
      };
      server.once('error', failed);
      const { reusePort } = this.#parts;
      server.maxConnections = DEFAULT_LIMITS.clients;
      server.listen({ port: this.port, host: this.host, backlog: BACKLOG, reusePort }, () => {
        server.off('error', failed);
        server.on('error', () => {}); // EMFILE and the like cost one connection
        this.#failed = null;
        this.#server = server;
        resolve();
      });
    });
  }

  /** No further connections; those that are open go on. */
  close(): void {
    this.#server?.close();
    this.#server = null;
  }

  /** The same address with other rules: they hold for connections that come from now on. */
  change(spec: ListenerSpec): void {
    this.spec = spec;
    this.#stamps = '';
    this.#renew();
  }

  /** Looks whether the files have changed; `force`: reads them anyway. True: something is different now. */
  refresh(force: boolean): boolean {
    if (this.spec.tls.length === 0) return false;
    // Files that did not fit together may do so now without one of them having a new stamp.
    if (!force && this.#why === null && this.#stamp() === this.#stamps) return false;
    const before = JSON.stringify(this.state);
    this.#renew();
    return JSON.stringify(this.state) !== before;
  }

  #stamp(): string {
    const { tls, clientCa } = this.spec;
    const references = [...tls.flatMap((one) => [one.cert, one.key]), ...(clientCa === null ? [] : [clientCa])];
    return references.map((one) => this.#parts.files.stamp(one)).join('\n');
  }

  #renew(): void {
    const { tls, clientCerts } = this.spec;
    if (tls.length === 0) {
      this.#front = null;
      this.#why = null;
      this.#endsMs = null;
      return;
    }
    const stamps = this.#stamp();
    const reading = loadCertificates(this.spec, this.#parts.files);
    if (!reading.ok) {
      // Rather the certificate of before than none; but never one for another kind of listener.
      this.#why = this.#front === null ? reading.why : `${reading.why}; the certificates of before stay in use`;
      if (this.#front !== null && this.#front.clientCerts !== clientCerts) this.#front = null;
      return;
    }
    this.#stamps = stamps;
    this.#why = null;
    this.#endsMs = reading.set.notAfterMs;
    if (this.#front !== null && this.#front.clientCerts === clientCerts) this.#front.renew(reading.set);
    else this.#front = this.#newFront(reading.set);
  }

  #newFront(set: CertificateSet): TlsFront {
    return new TlsFront(set, this.spec.clientCerts, this.#parts.handshakeMs, (socket, clientCert) => {
      const proxied = this.#proxied.get(endpoint(socket)) ?? NOBODY;
      this.#parts.door.accept(socket, { scheme: 'https', clientCert, ...proxied });
    });
  }

  #connected(socket: net.Socket): void {
    const { proxyProtocol } = this.spec;
    if (proxyProtocol === 'off') {
      this.#enter(socket, null);
      return;
    }
    const peer = parseAddress(socket.remoteAddress ?? '');
    if (peer === null || !this.#parts.door.isTrusted(peer)) {
      // Anybody else could claim any address: there is nothing to talk about.
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    readProxied(socket, proxyProtocol, this.#parts.proxyHeaderMs, (proxied) => this.#enter(socket, proxied));
  }

  /** Behind the PROXY header, if there was one; then the socket is paused. */
  #enter(socket: net.Socket, proxied: Proxied | null): void {
    const front = this.#front;
    if (this.spec.tls.length > 0) {
      if (front === null) {
        socket.destroy();
        return;
      }
      if (proxied !== null) this.#remember(socket, proxied);
      front.take(socket);
      return;
    }
    if (proxied === null) {
      this.#parts.door.accept(socket, PLAIN);
      return;
    }
    this.#parts.door.accept(socket, { ...PLAIN, source: proxied.source, vpcEndpoint: proxied.vpcEndpoint });
    socket.resume();
  }

  /** Until the connection ends: its TLS socket knows only where the bytes come from. */
  #remember(socket: net.Socket, proxied: Proxied): void {
    const key = endpoint(socket);
    this.#proxied.set(key, { source: proxied.source, vpcEndpoint: proxied.vpcEndpoint });
    socket.once('close', () => this.#proxied.delete(key));
  }
}

const NOBODY: Pick<Origin, 'source' | 'vpcEndpoint'> = { source: null, vpcEndpoint: null };

const endpoint = (socket: net.Socket): string => `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`;

function failure(code = 'unknown'): string {
  if (code === 'EADDRINUSE') return 'the address is taken by another program';
  if (code === 'EACCES') return 'this user may not listen there: ports below 1024 need CAP_NET_BIND_SERVICE';
  if (code === 'EADDRNOTAVAIL') return 'the address is none of this machine';
  return `the address cannot be listened on (${code})`;
}
