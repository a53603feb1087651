/** Serialised origins (RFC 6454 §6.2) as browsers send them, and the patterns a configuration may name. */

const HOST = String.raw`(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?`;
const ORIGIN = new RegExp(String.raw`^([a-z][a-z0-9+.-]*)://(\*\.)?(${HOST}|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$`);
const DEFAULT_PORT: Readonly<Record<string, string>> = { http: '80', https: '443' };

export type OriginReading =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly why: string; readonly remedy: string | null };

/** The one spelling that is compared: lower case, without the port that the scheme implies. */
export function readOrigin(text: string): OriginReading {
  const lower = text.toLowerCase();
  if (lower === 'null')
    return { ok: false, why: 'every sandboxed page and every file has the origin "null"', remedy: 'name the origin of the page' };
  if (lower === '*') return { ok: false, why: '`*` stands alone, not in a list', remedy: '`origins: "*"`' };
  const found = ORIGIN.exec(lower);
  if (found === null) {
    const path = /^([a-z]+:\/\/[^/]+)\//.exec(lower);
    if (path !== null) return { ok: false, why: 'an origin has no path', remedy: `\`${path[1]}\`` };
    if (/^[a-z0-9.-]+(:\d+)?$/.test(lower))
      return { ok: false, why: 'an origin begins with its scheme', remedy: `\`https://${lower}\`` };
    return { ok: false, why: 'it is not scheme://host[:port]', remedy: '`https://app.example.com`' };
  }
  const [, scheme = '', wild = '', host = '', port] = found;
  if (wild !== '' && (!host.includes('.') || host.startsWith('[')))
    return { ok: false, why: 'a wildcard stands before a name of at least two parts', remedy: '`https://*.example.com`' };
  const shown = port === undefined || port === DEFAULT_PORT[scheme] ? '' : `:${Number(port)}`;
  return { ok: true, value: `${scheme}://${wild}${host}${shown}` };
}
