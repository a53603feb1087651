import { canonicalPrefix, cidrProblem, parseAddress, parseCidr, parseTargetUrl } from '@fluxgate/policy';
import type { ValueType } from './schema.ts';
import { type TextRule, text } from './values.ts';

/** The kinds of value that name a place on the network: URLs, hosts, CIDRs, paths, listening addresses. */

type Problem = ReturnType<TextRule['check']>;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** A host name or address, lower case, no port. IPv6 in brackets, as in a Host header. */
export const host: ValueType<string> = text({
  label: 'host',
  charsMax: 253,
  canonical: (value) => value.toLowerCase(),
  check: hostProblem,
});

function hostProblem(value: string): Problem {
  const lower = value.toLowerCase();
  if (lower.startsWith('[') && lower.endsWith(']'))
    return parseAddress(lower.slice(1, -1)) === null ? { why: 'the brackets hold no IPv6 address', remedy: null } : null;
  const scheme = /^[a-z]+:\/\/([^/:]+)/.exec(lower);
  if (scheme) return { why: 'it is a URL', remedy: `only the host: \`${scheme[1]}\`` };
  if (lower.includes('*'))
    return {
      why: 'wildcards are not supported',
      remedy: 'one route document per host; without `host` a route serves every host',
    };
  const port = /^([^:]+):\d+$/.exec(lower);
  if (port) return { why: 'a route is matched without the port', remedy: `\`${port[1]}\`` };
  if (lower.endsWith('.')) return { why: 'it ends in a dot', remedy: `\`${lower.slice(0, -1)}\`` };
  if (lower.includes(':')) return { why: 'an IPv6 address stands in brackets', remedy: `"[${lower}]"` };
  if (/[^\x21-\x7e]/.test(lower)) return { why: 'it holds characters that no Host header holds', remedy: asciiHost(lower) };
  return lower.split('.').every((label) => LABEL.test(label)) ? null : { why: 'it is no DNS name', remedy: null };
}

/** `bücher.example` → `xn--bcher-kva.example`. */
function asciiHost(value: string): string | null {
  const url = URL.canParse(`http://${value}/`) ? new URL(`http://${value}/`) : null;
  return url === null ? null : `write its ASCII form: \`${url.hostname}\``;
}

/** http or https, a host, nothing that a browser would mend silently; kept as it was written. */
export const url: ValueType<string> = text({ label: 'URL', charsMax: 2048, check: urlProblem, isPrivate: true });

/** A URL to which requests are forwarded: judged by the reader that the gateway itself uses. */
export const targetUrl: ValueType<string> = text({
  label: 'URL',
  charsMax: 2048,
  isPrivate: true,
  check: (value) => {
    const problem = urlProblem(value);
    if (problem !== null) return problem;
    const target = parseTargetUrl(value);
    return target.ok ? null : { why: target.why, remedy: '`http://host:port`' };
  },
});

function urlProblem(value: string): Problem {
  const shape = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\/([^/?#\\]*)([\s\S]*)$/.exec(value);
  if (shape === null || /[\s\\]/.test(value))
    return {
      why: 'it has no scheme and host',
      remedy: /^[\w.-]+(:\d+)?(\/.*)?$/.test(value) ? `\`http://${value}\`` : '`http://host:port`',
    };
  const [, scheme = '', authority = '', rest = ''] = shape;
  if (!/^https?$/i.test(scheme)) return { why: `${scheme}:// is not spoken`, remedy: schemeRemedy(scheme.toLowerCase()) };
  if (authority.includes('@'))
    return {
      why: 'it carries a user name or password',
      remedy: 'remove what stands before the @: secrets are references, not text',
    };
  if (rest.includes('#')) return { why: 'it has a fragment', remedy: 'remove the # and what follows' };
  if (rest.includes('?')) return { why: 'it has a query', remedy: 'remove the ? and what follows' };
  if (!URL.canParse(value)) return { why: 'its host or port is malformed', remedy: null };
  const parsed = new URL(value);
  const given = authority.replace(/:\d*$/, '').toLowerCase();
  if (authority.endsWith(':') || parsed.port === '0') return { why: 'it has no usable port', remedy: null };
  if (parsed.hostname === given) return hostProblem(given);
  const isSameAddress = given.startsWith('[') && parseAddress(given.slice(1, -1)) !== null;
  return isSameAddress ? null : { why: `its host reads as ${parsed.hostname}`, remedy: `write that: \`${parsed.hostname}\`` };
}

function schemeRemedy(scheme: string): string {
  if (scheme === 'ws' || scheme === 'wss') return `http${scheme === 'wss' ? 's' : ''}://: a WebSocket begins as an HTTP request`;
  if (scheme === 'grpc' || scheme === 'h2c') return 'http:// or https://';
  return 'http:// or https://';
}

/** True for plain http to another machine: what travels there can be read and changed on the way. */
export function isPlainAcrossNetwork(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  return (
    protocol === 'http:' && hostname !== 'localhost' && !hostname.endsWith('.localhost') && !/^127\.|^\[::1\]$/.test(hostname)
  );
}

export const cidr: ValueType<string> = text({ label: 'CIDR', charsMax: 64, check: rangeProblem });

export const VPC_ENDPOINT = /^vpce-[0-9a-f]{8,32}$/;

/** A CIDR, or the id of an AWS VPC endpoint as PROXY protocol v2 tells it. */
export const cidrOrEndpoint: ValueType<string> = text({
  label: 'CIDR or `vpce-…` id',
  charsMax: 64,
  check: (value) => {
    if (VPC_ENDPOINT.test(value)) return null;
    return value.startsWith('vpce')
      ? { why: 'an endpoint id is `vpce-` and hexadecimal digits', remedy: null }
      : rangeProblem(value);
  },
});

function rangeProblem(value: string): Problem {
  if (!value.includes('/') && parseAddress(value) === null)
    return { why: 'a range is an address and a prefix length', remedy: '`10.0.4.0/24`, `2001:db8::/32`' };
  return parseCidr(value) === null ? { why: cidrProblem(value) ?? 'it is no address range', remedy: null } : null;
}

/** A path prefix in the one spelling that router, policy and upstream share. */
export const pathPrefix: ValueType<string> = text({
  label: 'path prefix',
  charsMax: 2048,
  check: prefixProblem,
  canonical: (value) => {
    const found = canonicalPrefix(value);
    return found.ok ? found.path : value;
  },
});

export function prefixProblem(value: string): Problem {
  const withMethod = /^([A-Z]+)\s+(\/\S*)$/.exec(value);
  if (withMethod)
    return { why: 'a method stands before it', remedy: `\`route: ${withMethod[2]}\` and \`methods: [${withMethod[1]}]\`` };
  const withHost = /^(?:https?:\/\/)?([a-z0-9.-]+\.[a-z]{2,}(?::\d+)?)(\/\S*)$/i.exec(value);
  if (withHost)
    return {
      why: 'a host stands before it',
      remedy: `\`route: ${withHost[2]}\` and \`host: ${withHost[1]!.replace(/:\d+$/, '')}\``,
    };
  if (value.startsWith('~') || value.startsWith('^'))
    return { why: 'routes are prefixes, not regular expressions', remedy: '`/api/v2`: the longest prefix wins' };
  if (!value.startsWith('/')) return { why: 'it does not begin with /', remedy: `\`/${value}\`` };
  if (/\/\*+$/.test(value))
    return { why: 'a route covers everything below it without a wildcard', remedy: `\`${value.replace(/\/\*+$/, '') || '/'}\`` };
  if (value.includes('*'))
    return { why: 'wildcards are not supported', remedy: 'write the part before the wildcard: the longest prefix wins' };
  if (/[{}]|\/:/.test(value))
    return {
      why: 'path parameters are not supported',
      remedy: 'write the part before the parameter: a route covers everything below it',
    };
  if (value.includes('?')) return { why: 'a query is no part of a route', remedy: `\`${value.slice(0, value.indexOf('?'))}\`` };
  const found = canonicalPrefix(value);
  return found.ok ? null : { why: found.why, remedy: null };
}

/** A path of this gateway, or a URL, to which a browser is sent. `//host` and `/\host` would leave the site. */
export const redirect: ValueType<string> = text({
  label: 'path or URL',
  check: (value) => {
    if (/[\s\\\p{Cc}]/u.test(value))
      return { why: 'it holds a space, a backslash or a control character', remedy: 'percent-encode it' };
    if (value.startsWith('//'))
      return { why: 'a browser reads // as another site', remedy: 'a path with one slash, or a whole https:// URL' };
    if (value.startsWith('/')) return null;
    return /^https?:\/\/[^/@]+(\/|$)/i.test(value) && URL.canParse(value)
      ? null
      : { why: 'it is neither a path nor an http(s) URL', remedy: '`/dashboard`' };
  },
});

/** Where to listen: `0.0.0.0:8443`, `[::]:8443`. */
export const listenAddress: ValueType<string> = text({
  label: 'address:port',
  charsMax: 64,
  check: (value) => {
    const shape = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)|([^:]*)):(\d{1,5})$/.exec(value);
    if (shape === null)
      return {
        why: 'it is not an address and a port',
        remedy: /^\d+$/.test(value)
          ? `\`0.0.0.0:${value}\` for every interface, \`127.0.0.1:${value}\` for this machine`
          : '`0.0.0.0:8443`',
      };
    const [, v6, v4, name, port] = shape;
    if (name !== undefined)
      return {
        why: name === '' ? 'the address is missing' : 'a name may resolve to several addresses',
        remedy: `\`0.0.0.0:${port}\` or \`127.0.0.1:${port}\``,
      };
    if (Number(port) < 1 || Number(port) > 65_535) return { why: 'ports go from 1 to 65535', remedy: null };
    return parseAddress((v6 ?? v4)!) === null ? { why: 'the address is malformed', remedy: null } : null;
  },
});
