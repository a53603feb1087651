import { problemKinds } from '@fluxgate/protocol/admin';
import type { Response } from 'express';
import { type Problem, problemDocument } from '../problem.ts';

export function sendJson(response: Response, status: number, body: unknown): void {
  response.status(status).type('application/json').send(JSON.stringify(body));
}

export function sendProblem(response: Response, problem: Problem, requestId: string): void {
  const { status } = problemKinds[problem.problem];
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="fluxgate"');
  if (problem.retryAfterMs !== undefined)
    response.setHeader('Retry-After', String(Math.max(1, Math.ceil(problem.retryAfterMs / 1000))));
  else if (status === 503) response.setHeader('Retry-After', '2');
  // A request that was refused before its body was read may leave bytes on the connection.
  if (status === 413) response.setHeader('Connection', 'close');
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify(problemDocument(problem, requestId)));
}
