import net from 'node:net';
import tls from 'node:tls';
import type { UpstreamTls } from '@fluxgate/policy';

interface Trust {
  readonly pem: string;
  readonly context: tls.SecureContext;
}

/**
 * TLS towards upstreams. Whom to trust is parsed once, not per connection; the file is looked at for every new connection, so that
 * a renewed authority counts at once. An authority that cannot be read is trusted by nobody: the target answers 502, never unverified.
 */
export class TlsDialer {
  readonly #authorities: (reference: string) => string;
  readonly #onFault: (error: unknown) => void;
  readonly #trusts = new Map<string, Trust>();

  constructor(authorities: (reference: string) => string, onFault: (error: unknown) => void) {
    this.#authorities = authorities;
    this.#onFault = onFault;
  }

  options(host: string, secure: UpstreamTls): tls.ConnectionOptions {
    const name = secure.sni ?? (net.isIP(host) === 0 ? host : null);
    const secureContext = secure.ca === null ? null : this.#contextOf(secure.ca);
    return {
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: secure.verify,
      ...(name !== null && { servername: name }),
      ...(secureContext !== null && { secureContext }),
    };
  }

  #contextOf(reference: string): tls.SecureContext {
    let pem = '';
    try {
      pem = this.#authorities(reference);
    } catch (error) {
      this.#onFault(error);
    }
    const known = this.#trusts.get(reference);
    if (known !== undefined && known.pem === pem) return known.context;
    const trust = { pem, context: trusting(pem) };
    this.#trusts.set(reference, trust);
    return trust.context;
  }
}

function trusting(pem: string): tls.SecureContext {
  const minVersion = 'TLSv1.2';
  try {
    return tls.createSecureContext({ minVersion, ca: pem === '' ? [] : [...tls.rootCertificates, pem] });
  } catch {
    return tls.createSecureContext({ minVersion, ca: [] }); // no PEM: nobody is trusted
  }
}
