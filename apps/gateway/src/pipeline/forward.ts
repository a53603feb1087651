import { KEY_PATTERN } from '@fluxgate/policy';
import type { FlatHeaders, Forward } from '../seam.ts';
import { corsHeaders, upstreamPath, withEdges } from './edges.ts';
import type { Exchange } from './exchange.ts';
import { identityHeaders, principalOf } from './identity.ts';
import type { Programs } from './program.ts';
import { withoutKeys } from './queryKey.ts';
import { bodyProof } from './signed.ts';

const NONE: readonly string[] = [];

/** The request goes on: what the upstream gets to see of it, and what the client gets to see of its limits. */
export function forward(x: Exchange, programs: Programs): Forward {
  const facts = x.facts;
  const route = x.route;
  const upstream = route?.upstream ?? null;
  if (route === null || upstream === null) throw new Error('a request without a route or an upstream was admitted');
  const parameters = x.program?.queryParameters ?? NONE;
  const query = parameters.length === 0 ? facts.query : withoutKeys(facts.query, parameters);
  const path = upstreamPath(x);
  const changes = route.requestTransform?.headers ?? null;
  return {
    kind: 'forward',
    route,
    upstream,
    target: query === '' ? path : `${path}?${query}`,
    set: withEdges(x, identityHeaders(x)),
    add: changes === null ? NONE : changes.put,
    drop: changes === null ? dropped(x, programs) : [...dropped(x, programs), ...changes.drop],
    responseSet: x.rateHeader === '' && !x.retiring ? NONE : responseHeaders(x),
    cors: route.cors === null ? NONE : corsHeaders(x),
    principal: principalOf(x),
    ...(x.digests === null || !x.accepted ? {} : { held: bodyProof(route, x.digests) }),
    kid: x.accepted ? x.kid : null,
    bearer: x.token,
  };
}

const drops = new WeakMap<Exchange['plan'], { readonly key: readonly string[]; readonly keyAndReferer: readonly string[] }>();

/** The credential's header goes no further, on open routes either; nor does a Referer that holds a key. */
function dropped(x: Exchange, programs: Programs): readonly string[] {
  const header = x.plan.apiKey?.headerLower;
  let known = drops.get(x.plan);
  if (known === undefined) {
    const key = header === undefined ? [] : [header];
    known = { key, keyAndReferer: [...key, 'referer'] };
    drops.set(x.plan, known);
  }
  if (!programs.anyQueryKeys) return known.key;
  const referer = x.facts.header('referer');
  return referer !== undefined && mayHoldKey(referer) ? known.keyAndReferer : known.key;
}

const KEY_ANYWHERE = new RegExp(KEY_PATTERN.source);

function mayHoldKey(referer: string): boolean {
  return referer.includes('?') && (referer.includes('%') || KEY_ANYWHERE.test(referer));
}

function responseHeaders(x: Exchange): FlatHeaders {
  const set: string[] = [];
  if (x.rateHeader !== '') set.push('RateLimit-Policy', x.policyHeader, 'RateLimit', x.rateHeader);
  // The key, not the resource, is on its way out: RFC 9745 and RFC 8594 say it in the words that clients already look for.
  if (x.retiring && x.accepted) {
    set.push('Deprecation', `@${Math.floor(x.nowMs / 1000)}`, 'Sunset', new Date(x.notAfterS * 1000).toUTCString());
  }
  return set;
}
