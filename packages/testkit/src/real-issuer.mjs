/**
 * A certified OpenID provider (npm `oidc-provider`) as a process of its own: node real-issuer.mjs PORT. Its one client gets JWT access tokens
 * by client credentials. SIGUSR2 rotates its signing key: the new one signs, the old one stays published.
 */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const keys = [];
let made = 0;

function addKey() {
  made += 1;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  keys.unshift({ ...privateKey.export({ format: 'jwk' }), kid: `idp-${made}`, use: 'sig', alg: 'RS256' });
}

function provider() {
  return new Provider(issuer, {
    clients: [
      {
        client_id: 'worker',
        client_secret: 'a secret of the test only',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    jwks: { keys: structuredClone(keys) },
    scopes: ['orders:read', 'orders:write'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://orders.example',
        getResourceServerInfo: () => ({
          scope: 'orders:read orders:write',
          audience: 'orders-api',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  }).callback();
}

addKey();
let handle = provider();
createServer((request, response) => handle(request, response)).listen(port, '127.0.0.1', () => {
  process.stdout.write('ready\n');
});
process.on('SIGUSR2', () => {
  addKey();
  handle = provider();
  process.stdout.write(`rotated ${made}\n`);
});
