import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Emulated, EmulatedKv, EmulatedTransit, errors } from './vault-emulator-engines.ts';

/** How the emulator answers from now on. `slow`: after `delayMs`. */
export type EmulatorMood = 'serving' | 'sealed' | 'standby' | 'recovery' | 'busy' | 'failing' | 'page' | 'silent' | 'slow';

export interface VaultEmulator {
  readonly address: string;
  readonly rootToken: string;
  readonly roleId: string;
  secretId: string;
  mood: EmulatorMood;
  delayMs: number;
  /** Time to live of tokens from now on. */
  ttlS: number;
  /** Total life of a token, however often it is renewed. */
  maxTtlS: number;
  /** The next requests are redirected there. */
  redirectTo: string | null;
  /** Tokens of the policy below may not read or write these paths. */
  readonly denied: Set<string>;
  /** `METHOD path` of every request, in order, with the namespace it asked for. */
  readonly requests: { readonly line: string; readonly namespace: string | null; readonly token: string | null }[];
  readonly kv: EmulatedKv;
  readonly transit: EmulatedTransit;
  /** Revokes all tokens but the root's. */
  revokeAll(): void;
  close(): Promise<void>;
}

interface Token {
  readonly bornMs: number;
  untilMs: number;
}

const MOODS: Partial<Record<EmulatorMood, Emulated>> = {
  sealed: errors(503, 'Vault is sealed'),
  standby: [473, null],
  recovery: [472, null],
  busy: errors(429, 'request path "secret/data/a": rate limit quota exceeded'),
  failing: errors(500, 'internal error'),
};

/**
 * An emulator of the parts of Vault and OpenBao that FluxGate uses, for the answers a real server cannot be brought to give: standby, sealed,
 * a token that ends in the middle, silence. It is not Vault: what it answers was written after the documentation.
 */
export async function startVaultEmulator(): Promise<VaultEmulator> {
  const kv = new EmulatedKv();
  const transit = new EmulatedTransit();
  const tokens = new Map<string, Token>();
  let serial = 0;

  const issue = (): Emulated => {
    serial += 1;
    const token = `hvs.emulated-${serial}`;
    tokens.set(token, { bornMs: Date.now(), untilMs: Date.now() + emulator.ttlS * 1000 });
    return [200, { auth: { client_token: token, lease_duration: emulator.ttlS, renewable: true } }];
  };
  const leftS = (token: Token): number => Math.max(0, (token.untilMs - Date.now()) / 1000);

  function handle(method: string, path: string, token: string | null, body: Record<string, unknown>): Emulated {
    if (path === 'sys/health') {
      if (emulator.mood === 'sealed') return [503, { initialized: true, sealed: true, standby: true, version: 'emulator' }];
      return [200, { initialized: true, sealed: false, standby: emulator.mood !== 'serving', version: 'emulator' }];
    }
    const mood = MOODS[emulator.mood];
    if (mood !== undefined) return mood;
    if (path === 'auth/approle/login')
      return body['role_id'] === emulator.roleId && body['secret_id'] === emulator.secretId
        ? issue()
        : errors(400, 'invalid role or secret ID');
    if (path === 'auth/kubernetes/login')
      return body['role'] === 'fluxgate' && body['jwt'] === 'jwt-of-the-pod' ? issue() : errors(403, 'permission denied');
    const held = token === null ? undefined : tokens.get(token);
    const root = token === emulator.rootToken;
    if (!root && (held === undefined || leftS(held) === 0)) return errors(403, 'permission denied', 'invalid token');
    if (path === 'auth/token/lookup-self') return [200, { data: { ttl: held ? leftS(held) : 0, renewable: !root } }];
    if (path === 'auth/token/renew-self') {
      if (held === undefined) return errors(400, 'lease is not renewable');
      const endMs = held.bornMs + emulator.maxTtlS * 1000;
      held.untilMs = Math.min(Date.now() + emulator.ttlS * 1000, endMs);
      return [200, { auth: { client_token: token, lease_duration: Math.ceil(leftS(held)), renewable: true } }];
    }
    if (emulator.denied.has(path)) return errors(403, '1 error occurred: permission denied');
    const [, kind, name = ''] = /^secret\/(data|metadata|subkeys|destroy)\/(.*)$/.exec(path) ?? [];
    if (kind !== undefined) return kv.handle(method, kind, name, body);
    return path.startsWith('transit/')
      ? transit.handle(method, path.slice(8), body)
      : errors(404, `no handler for route "${path}"`);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString('utf8');
    const url = new URL(request.url ?? '/', 'http://x');
    const path = decodeURIComponent(url.pathname.replace(/^\/v1\//, ''));
    const header = (name: string): string | null => (request.headers[name] as string | undefined) ?? null;
    const token = header('x-vault-token');
    const method = url.searchParams.get('list') === 'true' ? 'LIST' : (request.method ?? '');
    emulator.requests.push({ line: `${method} ${path}`, namespace: header('x-vault-namespace'), token });
    if (emulator.mood === 'silent') return;
    if (emulator.mood === 'slow') await new Promise((resolve) => setTimeout(resolve, emulator.delayMs));
    if (emulator.mood === 'page') {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad Gateway</html>');
      return;
    }
    if (emulator.redirectTo !== null && path !== 'sys/health') {
      response.writeHead(307, { location: `${emulator.redirectTo}${request.url}` }).end();
      return;
    }
    const [status, body] = handle(method, path, token, text === '' ? {} : JSON.parse(text));
    response.writeHead(status, { 'content-type': 'application/json' }).end(body === null ? '' : JSON.stringify(body));
  }

  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const emulator: VaultEmulator = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rootToken: 'root-of-the-emulator',
    roleId: 'role-1',
    secretId: 'secret-1',
    mood: 'serving',
    delayMs: 0,
    ttlS: 3600,
    maxTtlS: 86_400,
    redirectTo: null,
    denied: new Set(),
    requests: [],
    kv,
    transit,
    revokeAll: () => tokens.clear(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return emulator;
}
