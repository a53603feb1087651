import type { LookupAddress } from 'node:dns';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { compileCidrs, parseAddress } from '@fluxgate/policy';
import { isLoopback } from '@fluxgate/protocol/settings';
import type { FetchDocument } from './client-keys.ts';

const BYTES_MAX = 64 * 1024;
/** For everything: name, connection, body. */
const TOTAL_MS = 3_000;
const URL_CHARS_MAX = 2_000;

/** Link-local, multicast, nowhere, and where clouds hand out credentials of the machine: never fetched from, whoever asks. */
const FORBIDDEN = compileCidrs([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  '2002::/16',
  '64:ff9b::/96',
]);
const LOOPBACK = compileCidrs(['127.0.0.0/8', '::1/128']);

/** Why a URL is not fetched from, or null. https, or http within this machine; nothing that leads elsewhere or carries a password. */
export function documentUrlProblem(text: string): string | null {
  if (text.length > URL_CHARS_MAX || !URL.canParse(text)) return 'not an absolute URL';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) return 'not https';
  if (url.username !== '' || url.password !== '') return 'holds user information';
  if (text.includes('#')) return 'holds a fragment';
  return null;
}

export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/**
 * One JSON document. No redirects, no compression, 64 KiB, three seconds. The name is resolved once and judged, and the connection goes to
 * what was judged, so a second answer of the name server changes nothing.
 */
export function documentFetcher(resolve: Resolve): FetchDocument {
  return async (text) => {
    const problem = documentUrlProblem(text);
    if (problem !== null) return { why: problem };
    const url = new URL(text);
    const abort = AbortSignal.timeout(TOTAL_MS);
    try {
      const allowed = (await within(resolveHost(url.hostname, resolve), abort)).filter(({ address }) => mayReach(address, url));
      if (allowed.length === 0) return { why: 'its name leads to an address that is not fetched from' };
      const response = await get(url, allowed, abort);
      return await readDocument(response);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return { why: abort.aborted ? `no whole answer within ${TOTAL_MS} ms` : `failed: ${code ?? 'broken answer'}` };
    }
  };
}

function mayReach(text: string, url: URL): boolean {
  const address = parseAddress(text);
  if (address === null || FORBIDDEN.has(address)) return false;
  // A name that leads to this machine without saying so is somebody's trick.
  return !LOOPBACK.has(address) || isLoopback(url.hostname);
}

async function resolveHost(hostname: string, resolve: Resolve): Promise<readonly LookupAddress[]> {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (/^[\d.]+$/.test(bare)) return [{ address: bare, family: 4 }];
  return bare.includes(':') ? [{ address: bare, family: 6 }] : resolve(bare);
}

function get(url: URL, addresses: readonly LookupAddress[], signal: AbortSignal): Promise<IncomingMessage> {
  const lookup: LookupFunction = (_host, options, done) => {
    const first = addresses[0] as LookupAddress;
    if (options.all === true) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };
  const headers = {
    Accept: 'application/jwk-set+json, application/json',
    'Accept-Encoding': 'identity',
    'User-Agent': 'fluxgate',
  };
  return new Promise((settle, fail) => {
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    const sent = request(url, { lookup, signal, agent: false, headers }, settle);
    sent.on('error', fail);
    sent.end();
  });
}

async function readDocument(response: IncomingMessage): Promise<{ document: unknown } | { why: string }> {
  const refuse = (why: string) => {
    response.destroy();
    return { why };
  };
  if (response.statusCode !== 200) return refuse(`HTTP status ${response.statusCode}`);
  if ((response.headers['content-encoding'] ?? 'identity') !== 'identity') return refuse('compressed');
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BYTES_MAX) return refuse(`larger than ${BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  if (!response.complete) return { why: 'cut off' };
  try {
    return { document: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))) };
  } catch {
    return { why: 'not JSON' };
  }
}

function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((settle, fail) => {
    signal.addEventListener('abort', () => fail(new Error('aborted')), { once: true });
    work.then(settle, fail);
  });
}
