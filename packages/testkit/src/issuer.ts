import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';

interface SigningKey {
  readonly kid: string;
  readonly alg: 'RS256' | 'ES256';
  readonly privateKey: KeyObject;
  readonly publicJwk: object;
}

/** A token issuer: signs, publishes its keys and its metadata, rotates, and can go away and come back on its port. */
export interface TestIssuer {
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** What the key set holds, newest last; the last one signs. */
  readonly published: SigningKey[];
  mint(claims?: Record<string, unknown>, header?: Record<string, unknown>): string;
  /** A key that is not published yet. */
  makeKey(alg?: SigningKey['alg']): SigningKey;
  down(): Promise<void>;
  up(): Promise<void>;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export function signToken(key: SigningKey, header: object, claims: object): string {
  const data = `${encode(header)}.${encode(claims)}`;
  const options = key.alg === 'ES256' ? ({ key: key.privateKey, dsaEncoding: 'ieee-p1363' } as const) : key.privateKey;
  return `${data}.${sign('sha256', Buffer.from(data), options).toString('base64url')}`;
}

export async function startTestIssuer(): Promise<TestIssuer> {
  const asked: string[] = [];
  const published: SigningKey[] = [];
  let made = 0;
  let port = 0;
  let server: Server | null = null;

  const makeKey = (alg: SigningKey['alg'] = 'RS256'): SigningKey => {
    const pair =
      alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    made += 1;
    const kid = `key-${made}`;
    return {
      kid,
      alg,
      privateKey: pair.privateKey,
      publicJwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
    };
  };
  published.push(makeKey());

  const up = async (): Promise<void> => {
    const started = createServer((request, response) => {
      asked.push(request.url ?? '');
      const body =
        request.url === '/jwks'
          ? { keys: published.map((key) => key.publicJwk) }
          : request.url === '/.well-known/openid-configuration'
            ? { issuer: url(), jwks_uri: `${url()}/jwks` }
            : null;
      response.writeHead(body === null ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => started.listen(port, '127.0.0.1', resolve));
    const address = started.address();
    port = typeof address === 'object' && address !== null ? address.port : port;
    server = started;
  };
  const url = (): string => `http://127.0.0.1:${port}`;
  await up();

  return {
    get url() {
      return url();
    },
    asked,
    published,
    makeKey,
    mint(claims = {}, header = {}) {
      const key = published.at(-1);
      if (key === undefined) throw new Error('the issuer has no key');
      const nowS = Math.floor(Date.now() / 1000);
      return signToken(
        key,
        { alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header },
        { iss: url(), aud: 'orders-api', sub: 'user-1', scope: 'orders:read', iat: nowS, exp: nowS + 300, ...claims },
      );
    },
    up,
    down: () =>
      new Promise((resolve) => {
        if (server === null) return resolve();
        server.close(() => resolve());
        server.closeAllConnections();
        server = null;
      }),
  };
}
