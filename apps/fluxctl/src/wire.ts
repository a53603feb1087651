import { EXIT } from './exit.ts';
import { Failure, stopped } from './failure.ts';
import { envText, type Host } from './host.ts';
import { isLoopback } from './loopback.ts';

/** One HTTP exchange by undici, with a deadline for the whole of it. Network trouble becomes a Failure with exit code 9. */
export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly deadlineMs: number;
}
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}
export interface Wire {
  exchange(request: Exchange): Promise<Answer>;
  close(): Promise<void>;
}

const CONNECT_MS = 10_000;
const BODY_BYTES_MAX = 64 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed before the answer was complete',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped midway',
  ETIMEDOUT: 'no connection in time',
  ENOTFOUND: 'the name does not exist in DNS',
  EAI_AGAIN: 'DNS does not answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  HPE_INVALID_CONSTANT: 'the answer is not HTTP',
};
const isTls = (code: string, message: string): boolean =>
  /CERT|^ERR_TLS|^ERR_SSL|^EPROTO|^SELF_SIGNED|^UNABLE_TO|^HOSTNAME/.test(code) || /self.signed|certificate/i.test(message);

type Cause = { readonly code?: unknown; readonly message?: unknown; readonly cause?: unknown; readonly errors?: unknown };
const isCause = (value: unknown): value is Cause => typeof value === 'object' && value !== null;

/** The innermost cause that carries a code, as undici and Node nest them. */
function causeOf(error: unknown): { code: string; message: string } {
  let best = { code: '', message: isCause(error) ? String(error.message) : String(error) };
  let at: unknown = error;
  for (let depth = 0; depth < 6 && isCause(at); depth++) {
    if (typeof at.code === 'string') best = { code: at.code, message: String(at.message) };
    at = Array.isArray(at.errors) ? at.errors[0] : at.cause;
  }
  return best;
}

export function unreachable(url: URL, error: unknown): Failure {
  const { code, message } = causeOf(error);
  const tls = isTls(code, message);
  const why = tls ? `TLS: ${message}` : code.startsWith('HPE_') ? 'the answer is not HTTP' : (REASONS[code] ?? message);
  return new Failure({
    code: tls ? 'tls' : code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 'dns' : 'unreachable',
    exit: EXIT.unreachable,
    message: `cannot reach ${url.origin}`,
    why: code === '' || tls ? why : `${why} (${code})`,
    hint: tls
      ? 'For a certificate authority of your own: NODE_EXTRA_CA_CERTS=ca.pem fluxctl …'
      : 'Is the control plane running? fluxctl context show tells where this looks',
    retryable: true,
  });
}

const timedOut = (request: Exchange): Failure =>
  new Failure({
    code: 'timeout',
    exit: EXIT.unreachable,
    message: `no answer from ${request.url.origin} within ${(request.deadlineMs / 1000).toFixed(0)} s`,
    why: request.method === 'GET' ? null : 'the request was sent: it may have taken effect',
    hint: 'Try again, or give it longer: --timeout 2m',
    retryable: true,
  });

export async function openWire(host: Pick<Host, 'signal' | 'env'>): Promise<Wire> {
  const { EnvHttpProxyAgent } = await import('undici');
  const env = (name: string): string => envText(host, name.toLowerCase()) ?? envText(host, name) ?? '';
  const open = (noProxy: string) =>
    new EnvHttpProxyAgent({
      connect: { timeout: CONNECT_MS },
      // One deadline for the whole exchange replaces undici's own for its parts.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: BODY_BYTES_MAX,
      httpProxy: env('HTTP_PROXY'),
      httpsProxy: env('HTTPS_PROXY'),
      noProxy,
    });
  let agent: ReturnType<typeof open> | null = null;
  // What listens on this machine is not asked for by way of another one, which would see the token.
  const agentFor = (url: URL) => {
    agent ??= open(isLoopback(url) ? '*' : env('NO_PROXY'));
    return agent;
  };
  return {
    exchange: async (request) => {
      const deadline = AbortSignal.timeout(request.deadlineMs);
      const signal = AbortSignal.any([deadline, host.signal]);
      try {
        const response = await agentFor(request.url).request({
          origin: request.url.origin,
          path: request.url.pathname + request.url.search,
          method: request.method,
          headers: request.headers,
          body: request.body,
          signal,
        });
        return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
      } catch (error) {
        if (host.signal.aborted) throw stopped(host.signal);
        throw deadline.aborted ? timedOut(request) : unreachable(request.url, error);
      }
    },
    // The sockets are cut at once; waiting for them to say so would only keep the process.
    close: () => {
      void agent?.destroy();
      return Promise.resolve();
    },
  };
}
