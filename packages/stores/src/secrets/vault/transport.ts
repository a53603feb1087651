import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface VaultRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** From the first byte sent to the last byte read. */
  readonly timeoutMs: number;
}

export interface VaultReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One exchange, no redirect followed, nothing repeated. Throws `TransportFailed`. */
export type VaultTransport = (request: VaultRequest) => Promise<VaultReply>;

export class TransportFailed extends Error {
  override readonly name = 'TransportFailed';
  readonly kind: 'unreachable' | 'timeout';
  /** False: no byte of the request was sent, so nothing can have happened. */
  readonly sent: boolean;
  constructor(kind: 'unreachable' | 'timeout', sent: boolean, why: string) {
    super(why);
    this.kind = kind;
    this.sent = sent;
  }
}

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const SOCKETS_MAX = 16;

/** node:http and node:https with kept connections; `ca`: PEM certificates to trust instead of the system's. */
export function httpTransport(options: { readonly ca: string | null }): VaultTransport {
  const plain = new HttpAgent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  const secure = new HttpsAgent({
    keepAlive: true,
    maxSockets: SOCKETS_MAX,
    minVersion: 'TLSv1.2',
    ...(options.ca === null ? {} : { ca: options.ca }),
  });
  return ({ method, url, headers, body, timeoutMs }) =>
    new Promise((resolve, reject) => {
      const tls = url.protocol === 'https:';
      let sent = false;
      const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const outgoing = (tls ? httpsRequest : httpRequest)(
        url,
        { method, headers: { ...headers, ...length }, agent: tls ? secure : plain },
        (incoming) => {
          const parts: Buffer[] = [];
          let bytes = 0;
          incoming.on('data', (part: Buffer) => {
            bytes += part.length;
            if (bytes > ANSWER_BYTES_MAX) outgoing.destroy(new Error('the answer is too large'));
            else parts.push(part);
          });
          incoming.on('error', (error) => fail('unreachable', error.message));
          incoming.on('aborted', () => fail('unreachable', 'the answer broke off'));
          incoming.on('end', () => {
            clearTimeout(timer);
            const flat = Object.entries(incoming.headers).map(([name, value]) => [name, String(value ?? '')]);
            resolve({
              status: incoming.statusCode ?? 0,
              headers: Object.fromEntries(flat),
              body: Buffer.concat(parts).toString('utf8'),
            });
          });
        },
      );
      const fail = (kind: 'unreachable' | 'timeout', why: string): void => {
        clearTimeout(timer);
        reject(new TransportFailed(kind, sent, why));
        outgoing.destroy();
      };
      const timer = setTimeout(() => fail('timeout', `no answer within ${timeoutMs} ms`), timeoutMs);
      outgoing.on('socket', (socket) => {
        // On a kept connection bytes leave at once.
        if (!socket.connecting) sent = true;
        else
          socket.once(tls ? 'secureConnect' : 'connect', () => {
            sent = true;
          });
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => fail('unreachable', error.code ?? error.message));
      outgoing.end(body ?? undefined);
    });
}
