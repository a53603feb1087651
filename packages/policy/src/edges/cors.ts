import type { CorsSpec } from './model.ts';
import { readOrigin } from './origins.ts';

/** Flat list: name, value, name, value … */
type Fields = readonly string[];

/** What a route tells browsers (Fetch standard, CORS protocol). Everything that does not depend on the request is made here once. */
export interface CompiledCors {
  /**
   * What an answer carries. `origin` is the value of the request's only Origin field; undefined: it has none, or several. An origin
   * that may not call gets nothing but `Vary`, so that no cache hands one page's answer to another.
   */
  answer(origin: string | undefined): Fields;
  /** The same for a preflight; `asked` is its Access-Control-Request-Headers. */
  preflight(origin: string | undefined, asked: string | undefined): Fields;
  /** Lower-case names that only the gateway says on this route: what an upstream says of them is dropped. */
  readonly own: readonly string[];
}

const ANY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const OWN: readonly string[] = Object.freeze([
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-max-age',
  'access-control-allow-private-network',
]);
const NAMES = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/;
const ASKED_CHARS_MAX = 1024;
const VARY: Fields = Object.freeze(['Vary', 'Origin']);
const VARY_PREFLIGHT: Fields = Object.freeze(['Vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers']);

/** `https://*.example.com:8443` as what stands before and behind the part that may vary. */
interface Wild {
  readonly before: string;
  readonly behind: string;
}

function matcher(origins: readonly string[]): (origin: string) => boolean {
  const exact = new Set<string>();
  const wild: Wild[] = [];
  for (const text of origins) {
    const reading = readOrigin(text); // what cannot be read allows nobody
    if (!reading.ok) continue;
    const star = reading.value.indexOf('*');
    if (star < 0) exact.add(reading.value);
    else wild.push({ before: reading.value.slice(0, star), behind: reading.value.slice(star + 1) });
  }
  if (wild.length === 0) return (origin) => exact.has(origin);
  const isUnder = (origin: string, { before, behind }: Wild): boolean =>
    origin.length > before.length + behind.length &&
    origin.startsWith(before) &&
    origin.endsWith(behind) &&
    /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(origin.slice(before.length, origin.length - behind.length));
  return (origin) => exact.has(origin) || wild.some((one) => isUnder(origin, one));
}

export function compileCors(spec: CorsSpec, routeMethods: readonly string[] | null): CompiledCors {
  const anyone = spec.origins === '*';
  // Judged before; should it come nevertheless, the credentials go, not the bound.
  const credentials = spec.credentials && !anyone;
  const allows = spec.origins === '*' ? () => true : matcher(spec.origins);
  const exposed = spec.expose.length > 0 ? ['Access-Control-Expose-Headers', spec.expose.join(', ')] : [];
  const withCredentials = credentials ? ['Access-Control-Allow-Credentials', 'true'] : [];
  const openAnswer: Fields = Object.freeze(['Access-Control-Allow-Origin', '*', ...exposed]);
  const answerTail: Fields = Object.freeze([...withCredentials, ...exposed, ...VARY]);
  const methods = (spec.methods ?? routeMethods ?? ANY_METHOD).join(', ');
  const maxAge = String(Math.floor(spec.maxAgeMs / 1000));
  const preflightTail: Fields = Object.freeze([
    ...withCredentials,
    'Access-Control-Allow-Methods',
    methods,
    'Access-Control-Max-Age',
    maxAge,
    ...VARY_PREFLIGHT,
  ]);
  const headersLine = spec.headers === null || spec.headers.length === 0 ? '' : spec.headers.join(', ');

  return Object.freeze({
    own: OWN,
    answer(origin: string | undefined): Fields {
      if (anyone) return openAnswer;
      if (origin === undefined || !allows(origin)) return VARY;
      return ['Access-Control-Allow-Origin', origin, ...answerTail];
    },
    preflight(origin: string | undefined, asked: string | undefined): Fields {
      if (origin === undefined || !allows(origin)) return VARY_PREFLIGHT;
      const fields = ['Access-Control-Allow-Origin', anyone ? '*' : origin, ...preflightTail];
      let headers = headersLine;
      if (spec.headers === null && asked !== undefined && asked.length <= ASKED_CHARS_MAX && NAMES.test(asked)) headers = asked;
      if (headers !== '') fields.push('Access-Control-Allow-Headers', headers);
      return fields;
    },
  });
}
