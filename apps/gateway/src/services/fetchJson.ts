import type { LookupAddress } from 'node:dns';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { addressKind, isLoopbackHost, mayReach, PUBLIC_ONLY, type Reach } from './addressRules.ts';

export interface FetchLimits {
  readonly bytesMax: number;
  /** For everything: name, connection, redirects, body. */
  readonly totalMs: number;
  readonly redirectsMax: number;
}

export const FETCH_LIMITS: FetchLimits = { bytesMax: 256 * 1024, totalMs: 5000, redirectsMax: 3 };

export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

export type Fetched =
  | { readonly ok: true; readonly document: unknown; readonly reach: Reach }
  /** `status`: of an answer that came but was not 200; null otherwise. */
  | { readonly ok: false; readonly why: string; readonly status: number | null; readonly reach: Reach | null };

/**
 * One JSON document from a URL that an operator configured (`from` null: it may lead to where it says) or that a document from
 * there named (`from`: what the configured one leads to). Plain http only for the origin of the configured URL, or within this machine. Names
 * are resolved once, judged, and connected to as judged, so that a second answer of the name server changes nothing.
 */
export async function fetchJson(url: string, from: Reach | null, resolve: Resolve, limits = FETCH_LIMITS): Promise<Fetched> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), limits.totalMs);
  let reach = from;
  const failed = (why: string, status: number | null = null): Fetched => ({ ok: false, why, status, reach });
  try {
    let at = URL.canParse(url) ? new URL(url) : null;
    for (let hop = 0; ; hop += 1) {
      if (at === null) return failed('not a URL');
      const configured = hop === 0 && from === null;
      const plain = plainProblem(at, configured, reach);
      if (plain !== null) return failed(plain);
      const addresses = await withAbort(resolveHost(at.hostname, resolve), abort.signal);
      const kinds = addresses.map((one) => addressKind(one.address));
      reach ??= {
        // A name that leads to this machine without saying so in the configuration is somebody else's trick.
        loopback: isLoopbackHost(at.hostname),
        private: kinds.includes('private') || isLoopbackHost(at.hostname),
        plainOrigin: at.protocol === 'http:' ? at.origin : null,
      };
      const allowed = addresses.filter((_, i) => mayReach(kinds[i] ?? 'forbidden', reach ?? PUBLIC_ONLY));
      if (allowed.length === 0) return failed(`${at.hostname} leads to an address that is not fetched from`);
      const response = await get(at, allowed, abort.signal);
      const location = response.headers.location;
      if (isRedirect(response.statusCode) && location !== undefined) {
        response.destroy();
        if (hop >= limits.redirectsMax) return failed('too many redirects');
        const next = URL.canParse(location, at.href) ? new URL(location, at.href) : null;
        if (next !== null && at.protocol === 'https:' && next.protocol !== 'https:') return failed('a redirect leaves https');
        at = next;
        continue;
      }
      if (response.statusCode !== 200) {
        response.destroy();
        return failed(`HTTP status ${response.statusCode}`, response.statusCode ?? null);
      }
      return judgeBody(await readBody(response, limits.bytesMax), response, reach);
    }
  } catch (error) {
    return failed(abort.signal.aborted ? `no whole answer within ${limits.totalMs} ms` : sayError(error));
  } finally {
    clearTimeout(timer);
  }
}

function plainProblem(at: URL, configured: boolean, reach: Reach | null): string | null {
  if (at.username !== '' || at.password !== '') return 'the URL holds credentials';
  if (at.protocol === 'https:') return null;
  if (at.protocol !== 'http:') return `not an http(s) URL (${at.protocol})`;
  if (configured || at.origin === reach?.plainOrigin || (isLoopbackHost(at.hostname) && reach?.loopback === true)) return null;
  return 'plain http to another machine';
}

async function resolveHost(hostname: string, resolve: Resolve): Promise<readonly LookupAddress[]> {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (/^[\d.]+$/.test(bare)) return [{ address: bare, family: 4 }];
  if (bare.includes(':')) return [{ address: bare, family: 6 }];
  return resolve(bare);
}

const isRedirect = (status: number | undefined): boolean => status !== undefined && [301, 302, 303, 307, 308].includes(status);

function get(url: URL, addresses: readonly LookupAddress[], signal: AbortSignal): Promise<IncomingMessage> {
  const lookup: LookupFunction = (_host, options, done) => {
    const first = addresses[0] as LookupAddress;
    if (options.all === true) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((settle, fail) => {
    const sent = request(
      url,
      {
        lookup,
        signal,
        agent: false,
        headers: {
          Accept: 'application/jwk-set+json, application/json',
          'Accept-Encoding': 'identity',
          'User-Agent': 'fluxgate',
        },
      },
      settle,
    );
    sent.on('error', fail);
    sent.end();
  });
}

async function readBody(response: IncomingMessage, bytesMax: number): Promise<Buffer | string> {
  const encoding = response.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    response.destroy();
    return `compressed (${encoding.slice(0, 20)}), although that was not asked for`;
  }
  const tooLarge = `larger than ${bytesMax} bytes`;
  if (Number(response.headers['content-length'] ?? 0) > bytesMax) {
    response.destroy();
    return tooLarge;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) {
      response.destroy();
      return tooLarge;
    }
    chunks.push(chunk);
  }
  return response.complete ? Buffer.concat(chunks) : 'cut off';
}

/** Judged as JSON whatever its media type: providers differ. HTML is named for what it is: a login page or a proxy's error. */
function judgeBody(body: Buffer | string, response: IncomingMessage, reach: Reach): Fetched {
  const failed = (why: string): Fetched => ({ ok: false, why, status: null, reach });
  if (typeof body === 'string') return failed(body);
  if (
    /html/i.test(response.headers['content-type'] ?? '') ||
    body.subarray(0, 200).toString('latin1').trimStart().startsWith('<')
  )
    return failed('HTML instead of JSON');
  try {
    return { ok: true, document: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)), reach };
  } catch {
    return failed('not JSON');
  }
}

function withAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((settle, fail) => {
    signal.addEventListener('abort', () => fail(new Error('aborted')), { once: true });
    work.then(settle, fail);
  });
}

/** Codes rather than messages: those may hold what the other side sent. */
function sayError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? `failed: ${String(message).slice(0, 100)}` : `failed: ${code}`;
}
