import type { OtlpTarget } from './otlp.ts';

export type OtlpReading<T> = { readonly value: T } | { readonly why: string; readonly remedy: string };

const TRACES = '/v1/traces';

/** The collector's base URL, as OTEL_EXPORTER_OTLP_ENDPOINT has it; `/v1/traces` is added unless it is there. */
export function readOtlpEndpoint(text: string): OtlpReading<string> {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    return { why: 'it is not the URL of a collector', remedy: 'write one like http://127.0.0.1:4318 (OTLP over HTTP, not gRPC)' };
  if (url.username !== '' || url.password !== '')
    return {
      why: 'the URL holds a user name or a password',
      remedy: 'put an Authorization line into FLUXGATE_OTLP_HEADERS_FILE',
    };
  if (url.search !== '' || url.hash !== '')
    return { why: 'the URL has a query or a fragment', remedy: 'write it without; secrets go into FLUXGATE_OTLP_HEADERS_FILE' };
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(TRACES) ? path : path + TRACES;
  return { value: url.href };
}

const RESERVED = new Set(['content-type', 'content-length', 'host', 'connection', 'transfer-encoding', 'user-agent']);

/** `Name: value` lines; empty lines and lines that begin with `#` are left out. What is wrong is told by line number, never by content. */
export function readOtlpHeaders(text: string): OtlpReading<OtlpTarget['headers']> {
  const headers: Record<string, string> = {};
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const parsed = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]+)$/.exec(line);
    if (parsed === null) return { why: `line ${i + 1} is not a header`, remedy: 'write one `Name: value` per line' };
    const name = parsed[1]!.toLowerCase();
    if (RESERVED.has(name)) return { why: `line ${i + 1} sets ${name}, which the gateway sets itself`, remedy: 'leave it out' };
    headers[name] = parsed[2]!.trim();
  }
  return { value: headers };
}
