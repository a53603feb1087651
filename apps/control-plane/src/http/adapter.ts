import { type Operation, type OperationId, operations } from '@fluxgate/protocol/admin';
import { DatabaseUnavailable, SecretStoreUnavailable } from '@fluxgate/stores';
import { classifyDatabaseError } from '@fluxgate/stores/postgres';
import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { bearerToken, type Identity, identify } from '../auth/identity.ts';
import { newId } from '../door.ts';
import type { Call, Handler, Handlers } from '../operations/call.ts';
import { isProblem, type Problem, problem } from '../problem.ts';
import { secretStoreProblem } from '../secrets/outage.ts';
import type { Services } from '../services.ts';
import { type Actor, createWrite, headRevision } from '../write.ts';
import { sendJson, sendProblem } from './answer.ts';
import type { FailureLimit } from './failures.ts';
import {
  dropReply,
  findReply,
  idempotencyOf,
  KeyTaken,
  keepRevision,
  keyProblem,
  type Ticket,
  ticketFor,
} from './idempotency.ts';
import { parseInput, timeoutMs } from './parse.ts';
import type { TokenUse } from './token-use.ts';
import { within } from './within.ts';

/** A token look-up that takes longer than this means that the database is away. */
const IDENTIFY_MS = 3_000;
const OPERATION_MS = 20_000;

export interface AdapterOptions {
  readonly handlers: Handlers;
  readonly failures: FailureLimit;
  readonly tokenUse: TokenUse;
  /** Answers are checked against the operation's schema before they leave: for tests. */
  readonly validateResponses: boolean;
}

type Next = { readonly who: Identity; readonly address: string };
const address = (request: Request): string => request.socket.remoteAddress ?? 'unknown';

/** Request id, then who asks: everything before a body is read. */
export function authenticate(services: Services, operation: Operation, { failures, tokenUse }: AdapterOptions): RequestHandler {
  return async (request, response, next) => {
    const from = address(request);
    const nowMs = services.door.nowMs();
    const token = bearerToken(authorizationHeaders(request));
    const who = isProblem(token)
      ? token
      : await within(IDENTIFY_MS, identify(token, services.db.prisma, services.tokenDigest, nowMs));
    if (isProblem(who)) {
      const retryAfterMs = failures.retryAfterMs(from, nowMs);
      failures.record(from, nowMs);
      services.metrics.authFailure();
      if (retryAfterMs === null)
        services.log.warn(
          { requestId: response.locals['requestId'], address: from, why: who.detail },
          'refused an admin request',
        );
      sendProblem(
        response,
        retryAfterMs === null
          ? who
          : problem('rate_limited', 'too many requests without a valid token came from this address', null, { retryAfterMs }),
        response.locals['requestId'] as string,
      );
      return;
    }
    const refusal = allowed(request, operation, who);
    if (refusal !== null) {
      if (operation.method !== 'GET')
        await recordRefusal(services, operation, who, response.locals['requestId'] as string, from, refusal);
      sendProblem(response, refusal, response.locals['requestId'] as string);
      return;
    }
    tokenUse.note(who.kid, nowMs);
    response.locals['next'] = { who, address: from } satisfies Next;
    next();
  };
}

/** As they came: Node joins or drops repeated headers in `headers`, but a second Authorization must be seen. */
function authorizationHeaders({ rawHeaders }: Request): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization');
}

function allowed(request: Request, operation: Operation, who: Identity): Problem | null {
  const wanted = request.headers['x-fluxgate-realm'];
  if (wanted !== undefined && wanted !== who.realm) {
    return problem(
      'wrong_realm',
      `the token belongs to the realm ${who.realm}, the request asks for another`,
      `use a token of that realm, or --realm ${who.realm}`,
    );
  }
  if (operation.roles.includes(who.role)) return null;
  return problem(
    'forbidden',
    `the role ${who.role} may not ${operation.id}`,
    `use a token with one of the roles: ${operation.roles.join(', ')}`,
  );
}

async function recordRefusal(
  services: Services,
  operation: Operation,
  who: Identity,
  requestId: string,
  from: string,
  refusal: Problem,
): Promise<void> {
  const actor: Actor = { realm: who.realm, name: who.actor, role: who.role, address: from, requestId };
  const entry = { action: actionName(operation.id), target: operation.path, outcome: refusal.problem };
  await services.db.write(who.realm, actor, async () => ({ value: null, records: [], summary: [], audit: [entry] }));
}

/** `keysRotate` in the audit log: `keys.rotate`. */
const actionName = (id: OperationId): string =>
  id.replace(/(Rotate[A-Z][a-z]+|[A-Z][a-z]+)$/, (verb) => `.${verb.charAt(0).toLowerCase()}${verb.slice(1)}`);

/** Runs one operation of the table behind `authenticate` and the body reader. */
export function adapt<Id extends OperationId>(id: Id, services: Services, options: AdapterOptions): RequestHandler {
  const operation: Operation = operations[id];
  const handler = options.handlers[id] as Handler<Id>;
  return async (request, response) => {
    const requestId = response.locals['requestId'] as string;
    const answer = await run(id, operation, handler, request, response, services);
    if (isProblem(answer)) return sendProblem(response, answer, requestId);
    if (options.validateResponses) operation.response.parse(answer);
    sendJson(response, operation.status, answer);
  };
}

interface Given {
  readonly query: { readonly wait?: 'converged'; readonly timeout?: string; readonly dryRun?: 'true' | 'false' };
}

async function run<Id extends OperationId>(
  id: Id,
  operation: Operation,
  handler: Handler<Id>,
  request: Request,
  response: Response,
  services: Services,
): Promise<object | Problem> {
  const requestId = response.locals['requestId'] as string;
  const { who, address: from } = response.locals['next'] as Next;
  const parsed = parseInput(operation, new URL(request.url, 'http://localhost').searchParams, request.body);
  if (isProblem(parsed)) return parsed;
  const { wait, timeout, dryRun } = (parsed as Given).query;
  const params = Object.fromEntries(Object.entries(request.params).map(([name, value]) => [name, String(value)]));
  const nowMs = services.door.nowMs();
  const ticket = ticketOf(operation, request, who, [params, dryRun ?? null, parsed.body ?? null]);
  if (isProblem(ticket)) return ticket;
  const replayable = ticket !== null && dryRun !== 'true' ? ticket : null;
  const replayed = replayable === null ? null : await findReply(services, replayable);
  if (replayed !== null)
    return isProblem(replayed) ? replayed : await replay(services, who.realm, operation, replayed.body, wait, timeout);

  const actor: Actor = { realm: who.realm, name: who.actor, role: who.role, address: from, requestId };
  const call = {
    who,
    realm: who.realm,
    actor,
    params,
    query: parsed.query,
    body: parsed.body,
    nowMs,
    dryRun: dryRun === 'true',
    waitMs: wait === 'converged' ? timeoutMs(timeout) : null,
    write: createWrite(services, actor, {
      action: actionName(id),
      dryRun: dryRun === 'true',
      idempotency: replayable === null ? null : idempotencyOf(replayable, operation.status, nowMs),
    }),
  } as unknown as Call<Id>;
  let result: object | Problem;
  try {
    const outcome = operation.method === 'GET' ? 'not_done' : 'unknown';
    result = await within(OPERATION_MS + (call.waitMs ?? 0), handler(call, services), outcome);
  } catch (error) {
    if (!(error instanceof KeyTaken) || replayable === null) throw error;
    const first = await findReply(services, replayable);
    if (first === null)
      return problem('conflict', 'another request with this Idempotency-Key was undone meanwhile', 'repeat the request');
    return isProblem(first) ? first : await replay(services, who.realm, operation, first.body, wait, timeout);
  }
  if (isProblem(result)) {
    if (replayable !== null) await dropReply(services, replayable);
    return result;
  }
  const complete = await converge(services, who.realm, result, call.dryRun ? null : call.waitMs);
  if (replayable !== null)
    await keepRevision(services, replayable, 'convergence' in result ? { ...result, convergence: null } : { ...result });
  return complete;
}

function ticketOf(operation: Operation, request: Request, who: Identity, content: readonly unknown[]): Ticket | Problem | null {
  const key = request.headers['idempotency-key'];
  if (operation.method !== 'POST' || typeof key !== 'string') return null;
  return keyProblem(key) ?? ticketFor(who.realm, who.kid, key, [operation.id, ...content]);
}

/** The first answer again. It was stored inside the transaction, which did not know its revision: the head holds it too. */
async function replay(
  services: Services,
  realm: string,
  operation: Operation,
  stored: Record<string, unknown>,
  wait: 'converged' | undefined,
  timeout: string | undefined,
): Promise<object> {
  const revisioned = operation.response instanceof z.ZodObject && 'convergence' in operation.response.shape;
  const whole = !revisioned || 'revision' in stored;
  const body = whole ? stored : { ...stored, revision: await headRevision(services, realm), convergence: null };
  return converge(services, realm, body, wait === 'converged' ? timeoutMs(timeout) : null);
}

/** `?wait=converged`: the answer, and with it a new secret, leaves once the nodes know the revision or time is up. */
async function converge(services: Services, realm: string, result: object, waitMs: number | null): Promise<object> {
  if (waitMs === null || !('convergence' in result) || result.convergence !== null) return result;
  const revision =
    'revision' in result && typeof result.revision === 'number' ? result.revision : await headRevision(services, realm);
  return { ...result, convergence: await services.nodes.convergence(realm, revision, waitMs) };
}

/** What a thrown error means to the caller; nothing of it is shown. */
export function faultProblem(thrown: unknown): Problem {
  const error = classifyDatabaseError(thrown);
  if (error instanceof DatabaseUnavailable) {
    return problem(
      'database_unavailable',
      error.outcome === 'unknown'
        ? 'the database went away while the write was committed: it may or may not hold'
        : 'the database does not answer; nothing was changed',
      'repeat the request with the same Idempotency-Key; gateways go on by their last state',
    );
  }
  const outage = thrown instanceof SecretStoreUnavailable ? secretStoreProblem(thrown) : null;
  if (outage !== null) return outage;
  return problem('internal', 'the control plane failed; the log of this request says how', null);
}

export function assignRequestId(services: Services): RequestHandler {
  return (_request, response, next) => {
    const requestId = newId(services.door, 'req');
    response.locals['requestId'] = requestId;
    response.setHeader('X-Request-Id', requestId);
    next();
  };
}
