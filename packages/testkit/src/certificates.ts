import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** Node can check certificates and cannot make them; the openssl of the system does. */
export const hasOpenssl = (): boolean => spawnSync('openssl', ['version']).status === 0;

/** A certificate `NAME.pem` with its key `NAME.key` in `dir`; signed by `by`, or by itself. The first of `names` is its common name. */
export function makeCertificate(dir: string, name: string, names: readonly string[], by?: Certificate): Certificate {
  const certFile = join(dir, `${name}.pem`);
  const keyFile = join(dir, `${name}.key`);
  const san = names.map((one) => (one.includes('://') ? `URI:${one}` : `DNS:${one}`)).join(',');
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-keyout', keyFile, '-out', certFile, '-subj', `/O=FluxGate test/CN=${names[0]}`, '-addext', `subjectAltName=${san}`],
      ...(by === undefined ? [] : ['-CA', by.certFile, '-CAkey', by.keyFile, '-addext', 'basicConstraints=critical,CA:FALSE']),
    ],
    { stdio: 'pipe' },
  );
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}
