import { normaliseHeaderName } from '../plan/identity.ts';

/** Which header fields a route may change, and with what. The reader of fluxgate.yaml, the judge and the compiler ask the same. */

export type Direction = 'request' | 'response';
export type Change = 'set' | 'add' | 'remove';

/** RFC 9110 §5.6.2 */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Where a message ends, and what belongs to one connection only: two readers would disagree (RFC 9112 §6, §9; RFC 9110 §7.6.1). */
const FRAMING = new Set(
  'connection content-length transfer-encoding te trailer upgrade keep-alive proxy-connection proxy-authorization proxy-authenticate http2-settings expect'.split(
    ' ',
  ),
);
/** What the gateway writes into every request by itself. */
const FORWARDED =
  /^(forwarded|via|traceparent|tracestate|x-real-ip|x-forwarded-.*|sec-websocket-(key|version|accept|extensions|protocol))$/;
const OWN_PREFIX = 'x-fluxgate-';
const VALUE_CHARS_MAX = 4096;

export interface HeaderProblem {
  readonly why: string;
  readonly remedy: string;
}

/** Why this field must not be changed so; null: it may. */
export function headerChangeProblem(name: string, direction: Direction, change: Change): HeaderProblem | null {
  if (!TOKEN.test(name))
    return {
      why: `"${name.slice(0, 60)}" is not a header name`,
      remedy: 'write letters, digits and hyphens, such as X-Api-Version',
    };
  const plain = normaliseHeaderName(name);
  if (FRAMING.has(plain))
    return { why: `${name} frames the message or belongs to one connection; the gateway writes it itself`, remedy: 'remove it' };
  if (direction === 'request') {
    if (plain === 'host') return { why: 'Host is no ordinary header', remedy: 'write `host: upstream`, or `host: name`' };
    if (FORWARDED.test(plain)) return { why: `${name} is written by the gateway itself`, remedy: 'remove it' };
    if (plain.startsWith(OWN_PREFIX))
      return {
        why: 'headers X-FluxGate-… tell upstreams who is calling',
        remedy: 'use a name of your own, such as X-Api-Version',
      };
    return null;
  }
  if (plain === 'date' && change !== 'set') return { why: 'Date is written once', remedy: 'remove it' };
  if (/^sec-websocket-/.test(plain)) return { why: `${name} belongs to the handshake`, remedy: 'remove it' };
  if (plain.startsWith(OWN_PREFIX) && change !== 'remove')
    return { why: 'headers X-FluxGate-… are the own of the gateway', remedy: 'use a name of your own, such as X-Api-Version' };
  return null;
}

/** Printable ASCII, inner blanks: what every reader reads alike. */
export function headerValueProblem(value: string): HeaderProblem | null {
  if (value.length > VALUE_CHARS_MAX)
    return { why: `a header value may have ${VALUE_CHARS_MAX} characters`, remedy: 'write a shorter one' };
  if (!/^[\x20-\x7e]*$/.test(value))
    return { why: 'a header value holds printable ASCII only', remedy: 'percent-encode what is not' };
  if (value !== value.trim())
    return { why: 'a header value neither begins nor ends with a blank', remedy: `write "${value.trim()}"` };
  return null;
}
