import { type ProblemCode, type Problem as ProblemDocument, problemKinds } from '@fluxgate/protocol/admin';

export type FieldError = NonNullable<ProblemDocument['errors']>[number];

/** A refusal of the Admin API: a value that operations return, never throw. Holds nothing secret. */
export interface Problem {
  readonly problem: ProblemCode;
  /** What was wrong with this request, in a sentence. */
  readonly detail: string;
  /** What to do instead. */
  readonly hint: string | null;
  readonly errors?: readonly FieldError[];
  readonly retryAfterMs?: number;
}

type Extra = Pick<Problem, 'errors' | 'retryAfterMs'>;

export function problem(code: ProblemCode, detail: string, hint: string | null = null, extra: Extra = {}): Problem {
  return { problem: code, detail, hint, ...extra };
}

/** A request whose fields are wrong, each named. */
export function invalid(errors: readonly FieldError[]): Problem {
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return problem(
    'invalid_request',
    `${first?.field ?? 'request'}: ${first?.message ?? 'not understood'}${more}`,
    first?.hint ?? null,
    { errors },
  );
}

export function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'problem' in value &&
    typeof value.problem === 'string' &&
    value.problem in problemKinds
  );
}

/** RFC 9457. `type` is a stable URN rather than a page that may move. */
export function problemDocument({ problem: code, detail, hint, errors }: Problem, requestId: string): ProblemDocument {
  const { status, title, retryable } = problemKinds[code];
  return {
    type: `urn:fluxgate:problem:${code}`,
    title,
    status,
    code,
    detail,
    hint,
    requestId,
    retryable,
    ...(errors === undefined ? {} : { errors: [...errors] }),
  };
}
