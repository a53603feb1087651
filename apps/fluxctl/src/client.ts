import {
  type BodyOf,
  endpointPath,
  endpoints,
  type OperationId,
  type Problem,
  type QueryOf,
  type ResponseOf,
} from '@fluxgate/protocol/admin';
import { EXIT, exitOfProblem } from './exit.ts';
import { Failure } from './failure.ts';
import type { Host } from './host.ts';
import type { Journal } from './local/journal.ts';
import type { Target } from './target.ts';
import type { Answer, Wire } from './wire.ts';

/** The Admin API, one method: typed by the table of operations, free of its schemas at run time. */
export interface Admin {
  call<Id extends OperationId>(id: Id, given?: Given<Id>): Promise<ResponseOf<Id>>;
}
export interface Given<Id extends OperationId> {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: QueryOf<Id>;
  readonly body?: BodyOf<Id>;
  /** Longer than usual, when the server is asked to wait. */
  readonly deadlineMs?: number;
  /** The answer holds a secret, once: the journal keeps the request's key until it was handed over. */
  readonly mints?: 'once' | 'again';
}

export interface ClientParts {
  readonly host: Pick<Host, 'nowMs' | 'randomBytes' | 'sleep' | 'signal'>;
  readonly target: () => Promise<Target>;
  readonly wire: () => Promise<Wire>;
  readonly journal: Journal;
  readonly version: string;
  readonly deadlineMs: number;
  readonly dryRun: boolean;
  /** Called before a request that changes something leaves. */
  readonly beforeWrite: (target: Target) => void;
  readonly debug: (line: string) => void;
  /** A wait for the nodes that takes long enough to wonder about. */
  readonly stillWaiting: () => void;
  /** Keys of minting requests that were answered; the caller settles them once the secret was handed over. */
  readonly minted: string[];
}

/** With --dry-run: a request that the server cannot rehearse, and that was therefore not sent. */
export class Withheld extends Error {
  readonly request: { readonly method: string; readonly url: string; readonly body: unknown };
  constructor(request: Withheld['request']) {
    super('dry run');
    this.name = 'Withheld';
    this.request = request;
  }
}
/** Secrets in a request body stay out of what is shown. */
const withoutValue = (body: unknown): unknown =>
  typeof body === 'object' && body !== null && 'value' in body ? { ...body, value: '[secret]' } : (body ?? null);

/** POSTs that change nothing. */
const READS: ReadonlySet<OperationId> = new Set<OperationId>(['routesTest', 'authVerify']);
const RETRY_AFTER_MAX_MS = 5000;
const WONDER_MS = 1500;

const headerText = (answer: Answer, name: string): string | null => {
  const value = answer.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
};

function queryText(query: unknown): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== null) search.set(name, String(value));
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

function notLoggedIn(target: Target): Failure {
  return new Failure({
    code: 'not_logged_in',
    exit: EXIT.unauthenticated,
    message: `no token for ${target.server}`,
    why: target.tokenProblem,
    hint: `fluxctl login --server ${target.server}, or set FLUXCTL_TOKEN`,
  });
}

/** A token that names another realm than the one asked for is not sent at all. */
function checkRealm(target: Target): void {
  const realm = /^fga_([a-z0-9-]+)_/.exec(target.token ?? '')?.[1];
  if (realm === undefined || target.realm === null || realm === target.realm) return;
  throw new Failure({
    code: 'wrong_realm',
    exit: EXIT.forbidden,
    message: `the token (${target.tokenSource}) belongs to realm ${realm}, not ${target.realm}`,
    hint: `Leave --realm out, or log in with a token of ${target.realm}: fluxctl login --context ${target.realm} --server ${target.server}`,
  });
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string' && 'title' in value;

function failureOf(answer: Answer, target: Target, value: unknown): Failure {
  const requestId = headerText(answer, 'x-request-id');
  if (!isProblem(value)) {
    const location = headerText(answer, 'location');
    const oddity =
      answer.status >= 300 && answer.status < 400
        ? `it redirects to ${location ?? 'another place'}`
        : `HTTP ${answer.status}, ${headerText(answer, 'content-type') ?? 'no content type'}`;
    const foreign = answer.status < 400 || answer.status === 404 || answer.status === 405;
    return new Failure({
      code: 'not_fluxgate',
      exit: foreign ? EXIT.unreachable : exitOfProblem(answer.status, null),
      message: `${target.server} does not answer like the admin API of FluxGate`,
      why: oddity,
      hint: 'Check the server: fluxctl context show. The admin API has a port of its own (8081 unless set)',
      requestId,
      retryable: answer.status >= 500,
    });
  }
  const exit = exitOfProblem(answer.status, value.code);
  const hint =
    value.hint ??
    (exit === EXIT.unauthenticated
      ? `The token came from ${target.tokenSource}. Log in again: fluxctl login --server ${target.server}`
      : exit === EXIT.forbidden
        ? `The token came from ${target.tokenSource}; its role: fluxctl auth status`
        : null);
  const errors = value.errors ?? [];
  // One mistake is told once: by the sentence of the problem.
  const told = errors.length === 1 && value.detail.includes(errors[0]?.message ?? '');
  return new Failure({
    code: value.code,
    exit,
    message: value.detail || value.title,
    hint: told || !errors.some((one) => one.hint === hint) ? hint : null,
    requestId: value.requestId ?? requestId,
    retryable: value.retryable ?? false,
    field: errors[0]?.field ?? null,
    ...(errors.length === 0 ? {} : { items: errors }),
    ...(errors.length === 0 || told ? {} : { details: errors.map(mistakeText) }),
  });
}

/** `file:line:column: message` or `field: message`, the remedy below it. */
function mistakeText(one: NonNullable<Problem['errors']>[number]): string {
  const place = one.file ? `${one.file}:${one.line ?? 1}:${one.column ?? 1}: ` : one.field ? `${one.field}: ` : '';
  const kind = 'severity' in one && one.severity === 'warning' ? 'warning: ' : '';
  return `${place}${kind}${one.message}${one.hint ? `\n  ${one.hint}` : ''}`;
}

export function connectAdmin(parts: ClientParts): Admin {
  const retryWaitMs = (answer: Answer): number => {
    const seconds = Number(headerText(answer, 'retry-after'));
    return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 200;
  };
  return {
    call: async <Id extends OperationId>(id: Id, given: Given<Id> = {}): Promise<ResponseOf<Id>> => {
      const { method } = endpoints[id];
      const target = await parts.target();
      if (target.token === null) throw notLoggedIn(target);
      checkRealm(target);
      const path = endpointPath(id, given.path ?? {}) + queryText(given.query);
      const url = new URL(target.server + path);
      const rehearsed = given.query !== undefined && 'dryRun' in given.query && given.query.dryRun === 'true';
      if (method !== 'GET' && !READS.has(id)) {
        parts.beforeWrite(target);
        if (parts.dryRun && !rehearsed) throw new Withheld({ method, url: url.href, body: withoutValue(given.body) });
      }
      const headers: Record<string, string> = {
        authorization: `Bearer ${target.token}`,
        accept: 'application/json, application/problem+json',
        'user-agent': `fluxctl/${parts.version}`,
      };
      if (target.realm !== null) headers['x-fluxgate-realm'] = target.realm;
      if (given.body !== undefined) headers['content-type'] = 'application/json';
      let mintKey: string | null = null;
      if (method === 'POST' && !READS.has(id)) {
        if (given.mints && !rehearsed)
          mintKey = await parts.journal.keyFor(
            { origin: target.origin, operation: id, path: endpointPath(id, given.path ?? {}), body: given.body ?? null },
            given.mints === 'again',
          );
        headers['idempotency-key'] = mintKey ?? `cli-${Buffer.from(parts.host.randomBytes(18)).toString('base64url')}`;
      }
      const wire = await parts.wire();
      const body = given.body === undefined ? null : JSON.stringify(given.body);
      const mayRepeat = method === 'GET' || method === 'PUT' || method === 'DELETE';
      for (let attempt = 1; ; attempt++) {
        const startedMs = parts.host.nowMs();
        let answer: Answer;
        const wonder = given.deadlineMs === undefined ? null : setTimeout(parts.stillWaiting, WONDER_MS);
        try {
          answer = await wire.exchange({ method, url, headers, body, deadlineMs: given.deadlineMs ?? parts.deadlineMs });
        } catch (error) {
          parts.debug(
            `${method} ${url.pathname}${url.search} failed after ${parts.host.nowMs() - startedMs} ms: ${error instanceof Failure ? (error.details.why ?? error.message) : 'stopped'}`,
          );
          const again = error instanceof Failure && error.details.code === 'unreachable' && mayRepeat && attempt === 1;
          if (!again) throw error;
          await parts.host.sleep(200, parts.host.signal);
          continue;
        } finally {
          if (wonder !== null) clearTimeout(wonder);
        }
        parts.debug(
          `${method} ${url.pathname}${url.search} → ${answer.status} in ${parts.host.nowMs() - startedMs} ms, request ${headerText(answer, 'x-request-id') ?? '-'}`,
        );
        if (
          (answer.status === 503 || answer.status === 429) &&
          mayRepeat &&
          attempt === 1 &&
          retryWaitMs(answer) <= RETRY_AFTER_MAX_MS
        ) {
          await parts.host.sleep(retryWaitMs(answer), parts.host.signal);
          continue;
        }
        let value: unknown;
        try {
          value = JSON.parse(answer.text);
        } catch {
          value = undefined;
        }
        const good = answer.status >= 200 && answer.status < 300 && typeof value === 'object' && value !== null;
        if (!good) {
          // A refusal is final; after a 5xx nobody knows, and the same key must be sent again.
          if (mintKey !== null && answer.status >= 400 && answer.status < 500) await parts.journal.settle(mintKey);
          throw failureOf(answer, target, value);
        }
        if (mintKey !== null) parts.minted.push(mintKey);
        return value as ResponseOf<Id>;
      }
    },
  };
}
