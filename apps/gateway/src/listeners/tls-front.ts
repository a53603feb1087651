import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { ClientCerts } from '@fluxgate/policy';
import type { ClientCert } from '../seam.ts';
import type { CertificateSet } from './certificates.ts';

/**
 * TLS on connections that somebody else accepted: a server that never listens. New certificates are put in place
 * (`setSecureContext`), so that connections in the middle of their handshake and those that are open go on.
 */
export class TlsFront {
  readonly clientCerts: ClientCerts;
  readonly #server: tls.Server;
  #set: CertificateSet;

  constructor(
    set: CertificateSet,
    clientCerts: ClientCerts,
    handshakeMs: number,
    accept: (socket: tls.TLSSocket, clientCert: ClientCert | null) => void,
  ) {
    this.clientCerts = clientCerts;
    this.#set = set;
    this.#server = tls.createServer({
      ...set.options,
      allowHalfOpen: true,
      noDelay: true,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: handshakeMs,
      SNICallback: (serverName, done) => done(null, this.#set.contextFor(serverName) ?? undefined),
      requestCert: clientCerts !== 'off',
      rejectUnauthorized: clientCerts === 'required',
    });
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#server.on('secureConnection', (socket) => {
      const shown = clientCerts === 'off' ? null : certificateOf(socket);
      // A certificate that nobody vouches for is no credential, and not the absence of one either.
      if (shown === 'unverified') socket.destroy();
      else accept(socket, shown);
    });
  }

  take(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  renew(set: CertificateSet): void {
    this.#set = set;
    this.#server.setSecureContext(set.options);
  }
}

function certificateOf(socket: tls.TLSSocket): ClientCert | 'unverified' | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  if (!socket.authorized) return 'unverified';
  return {
    subject: certificate.subject.split('\n').reverse().join(','),
    san: certificate.subjectAltName ?? '',
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}
