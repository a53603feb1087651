import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { Listener } from '@fluxgate/policy';
import type { TlsFiles } from './tls-files.ts';

/** What Mozilla calls intermediate (guideline 5.7): forward secrecy and AEAD everywhere, no CBC, no RSA key exchange. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** The certificates of one listener, loaded and checked as a whole: a set that is half new would serve the wrong key. */
export interface CertificateSet {
  /** Who names no other gets the first. */
  readonly options: SecureContextOptions;
  /** The context for a server name; null: the first. */
  contextFor(serverName: string): SecureContext | null;
  /** When the first of them ends, milliseconds since 1970. */
  readonly notAfterMs: number;
}

export type CertificatesReading =
  | { readonly ok: true; readonly set: CertificateSet }
  | { readonly ok: false; readonly why: string };

interface Loaded {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  readonly names: readonly string[];
  readonly notAfterMs: number;
}

export function loadCertificates(spec: Listener, files: TlsFiles): CertificatesReading {
  const loaded: Loaded[] = [];
  let ca: string | null = null;
  if (spec.clientCa !== null) {
    const reading = files.read(spec.clientCa);
    if (!reading.ok) return reading;
    ca = reading.pem;
  }
  for (const { cert, key } of spec.tls) {
    const chain = files.read(cert);
    if (!chain.ok) return chain;
    const secret = files.read(key);
    if (!secret.ok) return secret;
    const one = load(cert, key, chain.pem, secret.pem, spec.clientCerts === 'off' ? null : ca);
    if (typeof one === 'string') return { ok: false, why: one };
    loaded.push(one);
  }
  const [first] = loaded;
  if (first === undefined) return { ok: false, why: 'no certificate is named' };
  return {
    ok: true,
    set: {
      options: first.options,
      contextFor: chooser(loaded),
      notAfterMs: Math.min(...loaded.map((one) => one.notAfterMs)),
    },
  };
}

/** Never repeats anything of the key. */
function load(certName: string, keyName: string, cert: string, key: string, ca: string | null): Loaded | string {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    return `${certName} holds no certificate in PEM`;
  }
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key))) return `the key ${keyName} does not belong to the certificate ${certName}`;
  } catch {
    return `${keyName} holds no private key in PEM`;
  }
  const options: SecureContextOptions = {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    // Where a certificate is the credential, every connection shows it anew: nothing is resumed on the word of an old handshake.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (ca === null ? 0 : constants.SSL_OP_NO_TICKET),
    ...(ca !== null && { ca }),
  };
  try {
    return { options, context: createSecureContext(options), names: namesOf(leaf), notAfterMs: Date.parse(leaf.validTo) };
  } catch (error) {
    return `${certName} cannot be served (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  }
}

/** DNS names of the subject alternative names; the common name only where there are none (RFC 6125 §6.4.4). */
export function namesOf(certificate: X509Certificate): string[] {
  const names = [...(certificate.subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,"]+)/g)].map(([, name = '']) =>
    name.toLowerCase(),
  );
  if (names.length > 0) return names;
  const common = /(?:^|\n)CN=([^\n]+)/.exec(certificate.subject)?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}

/** An exact name before a wildcard, and of equals the one that stands first. */
function chooser(loaded: readonly Loaded[]): (serverName: string) => SecureContext | null {
  const exact = new Map<string, SecureContext>();
  const wild = new Map<string, SecureContext>();
  for (const { names, context } of loaded)
    for (const name of names) {
      const into = name.startsWith('*.') ? wild : exact;
      const key = name.startsWith('*.') ? name.slice(2) : name;
      if (!into.has(key)) into.set(key, context);
    }
  return (serverName) => {
    const name = serverName.toLowerCase().replace(/\.$/, '');
    const found = exact.get(name);
    if (found !== undefined) return found;
    const dot = name.indexOf('.');
    return dot < 1 ? null : (wild.get(name.slice(dot + 1)) ?? null);
  };
}
