import { type Operation, type OperationId, openApiDocument, operations } from '@fluxgate/protocol/admin';
import { classifyDatabaseError } from '@fluxgate/stores/postgres';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import { addIssuer } from '../issuer/routes.ts';
import { type Problem, problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type AdapterOptions, adapt, assignRequestId, authenticate, faultProblem } from './adapter.ts';
import { sendJson, sendProblem } from './answer.ts';
import { within } from './within.ts';

const BODY_BYTES_MAX = 256 * 1024;
const CONFIG_BYTES_MAX = 16 * 1024 * 1024;
const READY_MS = 2_000;

export interface AppOptions extends AdapterOptions {
  /** True from the moment on that this process is asked to stop. */
  readonly stopping: () => boolean;
  readonly secure: boolean;
}

function headers(secure: boolean): RequestHandler {
  return (_request, response, next) => {
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    if (secure) response.setHeader('Strict-Transport-Security', 'max-age=31536000');
    next();
  };
}

function measure(services: Services, operation: string): RequestHandler {
  return (_request, response, next) => {
    const startMs = services.door.nowMs();
    response.once('finish', () => {
      const elapsedMs = services.door.nowMs() - startMs;
      services.metrics.request(operation, response.statusCode, elapsedMs / 1000);
      services.log.debug(
        { requestId: response.locals['requestId'], operation, status: response.statusCode, elapsedMs },
        'answered',
      );
    });
    next();
  };
}

/** Only JSON, only unpacked, only up to a size; a request without a body is an empty one. */
function readBody(limit: number): RequestHandler[] {
  const json = express.json({ limit, inflate: false, strict: true, type: 'application/json' });
  const check: RequestHandler = (request, response, next) => {
    const empty = request.headers['transfer-encoding'] === undefined && Number(request.headers['content-length'] ?? 0) === 0;
    if (empty) {
      request.body = {};
      return next();
    }
    if (request.is('application/json') === false) {
      return sendProblem(
        response,
        problem('unsupported_media_type', 'the body is not application/json', 'send Content-Type: application/json'),
        idOf(response),
      );
    }
    json(request, response, next);
  };
  return [check];
}

/** What the body reader of Express found wrong. Its messages may quote the body, so they are not passed on. */
function bodyProblem(error: unknown): Problem | null {
  const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : null;
  if (type === 'entity.too.large')
    return problem('payload_too_large', 'the body is larger than this operation takes', 'send fewer or smaller files');
  if (type === 'entity.parse.failed')
    return problem('invalid_request', 'the body is not valid JSON', 'check quotes, commas and braces');
  if (type === 'encoding.unsupported')
    return problem('unsupported_media_type', 'compressed bodies are not accepted', 'send the body without Content-Encoding');
  if (type === 'charset.unsupported') return problem('unsupported_media_type', 'the charset is not UTF-8', 'send UTF-8');
  if (type === 'request.size.invalid' || type === 'request.aborted')
    return problem('invalid_request', 'the body ended early', null);
  return null;
}

const idOf = (response: Response): string => String(response.locals['requestId'] ?? '');

/** The whole admin API, made from the table of operations. */
export function createApp(services: Services, options: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', false);
  app.set('query parser', false);
  app.set('case sensitive routing', true);
  app.set('strict routing', true);
  app.use(assignRequestId(services), headers(options.secure));
  addHealth(app, services, options);
  app.use((_request, response, next) => {
    if (!options.stopping()) return next();
    response.setHeader('Connection', 'close');
    sendProblem(
      response,
      problem('shutting_down', 'this control plane is shutting down', 'ask another replica, or try again'),
      idOf(response),
    );
  });

  const document = JSON.stringify(openApiDocument(services.version));
  app.get('/v1/openapi.json', (_request, response) => void response.type('application/json').send(document));

  const byPath = new Map<string, Operation[]>();
  for (const operation of Object.values(operations) as Operation[])
    byPath.set(operation.path, [...(byPath.get(operation.path) ?? []), operation]);
  // A fixed segment goes before a parameter in its place: /v1/nodes/tokens is not a node.
  const paths = [...byPath].sort(([a], [b]) => Number(a.includes('{')) - Number(b.includes('{')));
  for (const [path, list] of paths) {
    const route = app.route(path.replace(/\{([A-Za-z]+)\}/g, ':$1'));
    for (const operation of list) {
      const id = operation.id as OperationId;
      const method = operation.method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';
      const body = readBody(id === 'configApply' ? CONFIG_BYTES_MAX : BODY_BYTES_MAX);
      route[method](measure(services, id), authenticate(services, operation, options), ...body, adapt(id, services, options));
    }
    const allow = list.map(({ method }) => method).join(', ');
    route.all((request, response) => {
      response.setHeader('Allow', allow);
      sendProblem(
        response,
        problem('method_not_allowed', `${request.method} is not possible here`, `use ${allow}`),
        idOf(response),
      );
    });
  }
  addIssuer(app, services, (name) => measure(services, name));
  app.use((_request, response) =>
    sendProblem(
      response,
      problem('not_found', 'nothing is served at this path', 'GET /v1/openapi.json lists what is'),
      idOf(response),
    ),
  );
  app.use(onError(services));
  return app;
}

function addHealth(app: Express, services: Services, options: AppOptions): void {
  app.get('/livez', (_request, response) => sendJson(response, 200, { status: 'ok' }));
  app.get('/readyz', async (_request, response) => {
    const database = await within(READY_MS, services.db.prisma.$queryRaw`SELECT 1`).then(
      () => true,
      () => false,
    );
    const ready = database && !options.stopping();
    sendJson(response, ready ? 200 : 503, {
      status: ready ? 'ok' : 'not ready',
      database: database ? 'ok' : 'unavailable',
      // Not a reason to be taken out of service: everything but new keys and secrets goes on.
      secrets: services.secretsMonitor.last === null || services.secretsMonitor.last.ok ? 'ok' : 'unavailable',
      stopping: options.stopping(),
    });
  });
  app.get('/metrics', async (_request, response) => {
    const { contentType, body } = await services.metrics.text();
    response.status(200).setHeader('Content-Type', contentType);
    response.send(body);
  });
}

function outage(error: unknown): string {
  const classified = classifyDatabaseError(error);
  return classified instanceof Error ? classified.message : 'unknown';
}

function onError(services: Services): ErrorRequestHandler {
  return (error, _request, response, _next) => {
    const known = bodyProblem(error);
    if (known === null && error instanceof URIError) {
      return sendProblem(response, problem('invalid_request', 'the path holds a broken percent-escape', null), idOf(response));
    }
    const refusal = known ?? faultProblem(error);
    // An outage is one line; a fault is told with where it happened.
    if (refusal.problem === 'internal') services.log.error({ requestId: idOf(response), err: error }, refusal.detail);
    else if (known === null) services.log.warn({ requestId: idOf(response), why: outage(error) }, refusal.detail);
    if (response.headersSent) return void response.destroy();
    sendProblem(response, refusal, idOf(response));
  };
}
