import { createHash } from 'node:crypto';
import { REALM_PATTERN } from '@fluxgate/policy';
import type { Express, Request, RequestHandler, Response } from 'express';
import { faultProblem } from '../http/adapter.ts';
import { within } from '../http/within.ts';
import { DEFAULT_REALM } from '../realm/default-realm.ts';
import type { Services } from '../services.ts';
import { addressesOf, basePathOf, type IssuerAddresses, metadataOf } from './addresses.ts';
import { type Ask, createDesk, type Desk } from './desk.ts';
import { readForm } from './form.ts';
import { introspect } from './introspect.ts';
import { isSignerOutage } from './issuer.ts';
import { isOAuthError, type OAuthError, oauthError, sendOAuth, sendOAuthError } from './oauth-error.ts';
import { revoke } from './revoke.ts';
import { type IssuerRing, keySetOf } from './ring.ts';
import { issueToken } from './token.ts';

const WORK_MS = 15_000;

/** Counts and times a request under a name; the app's own. */
export type Measure = (name: string) => RequestHandler;

/**
 * The OAuth 2.0 endpoints beside the admin API. Everything is also served below the path of FLUXGATE_ISSUER, and for a realm other than `live`
 * below `/realms/NAME`, which is then part of its issuer's name.
 */
export function addIssuer(app: Express, services: Services, measure: Measure): void {
  const desk = createDesk(services);
  const bases = [...new Set(['', basePathOf(services.issuer.baseUrl())])];
  const own = bases.flatMap((base) => [base, `${base}/realms/:realm`]);
  const post = (name: string, work: (desk: Desk, ask: Ask) => Promise<object | null | OAuthError>): void =>
    serve(
      app,
      own.map((base) => `${base}/oauth2/${name}`),
      'POST',
      measure(`oauth2.${name}`),
      (request, response) => answer(desk, request, response, work),
    );
  post('token', issueToken);
  post('introspect', introspect);
  post('revoke', revoke);
  serve(
    app,
    own.map((base) => `${base}/oauth2/jwks`),
    'GET',
    measure('oauth2.jwks'),
    (request, response) => publish(desk, request, response, (ring) => keySetOf(ring), 'application/jwk-set+json'),
  );
  // RFC 8414 §3.1 puts the well-known part before the path of the issuer, OpenID Connect Discovery §4 behind it; both are asked for.
  const metadata = ['oauth-authorization-server', 'openid-configuration'].flatMap((name) =>
    own.flatMap((base) => [`${base}/.well-known/${name}`, `/.well-known/${name}${base}`]),
  );
  serve(app, [...new Set(metadata)], 'GET', measure('oauth2.metadata'), (request, response) =>
    publish(desk, request, response, (_ring, addresses) => metadataOf(addresses), 'application/json'),
  );
}

function serve(
  app: Express,
  paths: readonly string[],
  method: 'GET' | 'POST',
  measured: RequestHandler,
  work: RequestHandler,
): void {
  for (const path of paths) {
    const route = app.route(path);
    if (method === 'GET') route.get(measured, work);
    else route.post(measured, work);
    route.all((_request, response) => {
      response.setHeader('Allow', method === 'GET' ? 'GET, HEAD' : method);
      sendOAuthError(response, oauthError('invalid_request', `use ${method}`, { status: 405 }));
    });
  }
}

/** As they came: Node joins or drops repeated headers in `headers`, but a second Authorization must be seen. */
const authorizationOf = ({ rawHeaders }: Request): string[] =>
  rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization');

/** The realm of the path with its ring; a refusal when there is none, or no name for the issuer yet. */
async function placeOf(
  { services }: Desk,
  request: Request,
): Promise<{ realm: string; addresses: IssuerAddresses; ring: IssuerRing } | OAuthError | null> {
  const realm = String(request.params['realm'] ?? DEFAULT_REALM);
  if (!REALM_PATTERN.test(realm)) return null;
  const addresses = addressesOf(services.issuer, realm);
  if (addresses === null)
    return oauthError('temporarily_unavailable', 'the issuer has no name: set FLUXGATE_ISSUER to the URL of this control plane');
  const ring = await services.issuer.rings.of(realm);
  return ring === null ? null : { realm, addresses, ring };
}

const nowhere = (response: Response): void =>
  sendOAuth(response, 404, { error: 'not_found', error_description: 'there is no such issuer' });

/** An outage is 503 whoever asks: nobody is told that a credential is wrong when it could not be judged. */
function outage({ services }: Desk, response: Response, error: unknown): void {
  const problem = faultProblem(error);
  const unavailable = problem.problem === 'database_unavailable' || isSignerOutage(error);
  const requestId = response.locals['requestId'];
  if (unavailable)
    services.log.warn({ requestId, why: error instanceof Error ? error.message : 'unknown' }, 'the issuer cannot answer');
  else services.log.error({ requestId, err: error }, 'the issuer failed');
  sendOAuthError(
    response,
    unavailable
      ? oauthError('temporarily_unavailable', 'the issuer cannot answer now; try again')
      : oauthError('server_error', 'the issuer failed; the log of this request says how'),
  );
}

async function answer(
  desk: Desk,
  request: Request,
  response: Response,
  work: (desk: Desk, ask: Ask) => Promise<object | null | OAuthError>,
): Promise<void> {
  try {
    const form = await readForm(request, response);
    if (isOAuthError(form)) return sendOAuthError(response, form);
    const place = await within(WORK_MS, placeOf(desk, request));
    if (place === null) return nowhere(response);
    if (isOAuthError(place)) return sendOAuthError(response, place);
    const ask: Ask = {
      ...place,
      form,
      authorization: authorizationOf(request),
      address: request.socket.remoteAddress ?? 'unknown',
      requestId: String(response.locals['requestId'] ?? ''),
      nowMs: desk.services.door.nowMs(),
    };
    const result = await within(WORK_MS, work(desk, ask), 'unknown');
    if (result === null) response.status(200).setHeader('Cache-Control', 'no-store').end();
    else if (isOAuthError(result)) sendOAuthError(response, result);
    else sendOAuth(response, 200, result);
  } catch (error) {
    outage(desk, response, error);
  }
}

/** Public documents, which caches may keep for as long as a new key is published before it signs. */
async function publish(
  desk: Desk,
  request: Request,
  response: Response,
  make: (ring: IssuerRing, addresses: IssuerAddresses) => object,
  type: string,
): Promise<void> {
  try {
    const place = await within(WORK_MS, placeOf(desk, request));
    if (place === null) return nowhere(response);
    if (isOAuthError(place)) return sendOAuthError(response, place);
    const body = JSON.stringify(make(place.ring, place.addresses));
    const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    response.setHeader('Cache-Control', `public, max-age=${Math.floor(desk.services.issuer.jwksCacheMs / 1000)}`);
    response.setHeader('ETag', tag);
    // Public keys are for everybody, also for a page of another origin.
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    const known = (request.headers['if-none-match'] ?? '').split(',').map((one) => one.trim().replace(/^W\//, ''));
    if (known.includes(tag) || known.includes('*')) return void response.status(304).end();
    response.status(200).type(type).send(body);
  } catch (error) {
    outage(desk, response, error);
  }
}
