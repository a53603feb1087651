import type { FailureDetails } from '../failure.ts';

/** One document, always: also for empty lists and for nothing. */
export const jsonText = (data: unknown): string => `${JSON.stringify(data ?? null, null, 2)}\n`;

/** A failure as one line on stderr; its fields are part of the interface. */
export const failureJson = (details: FailureDetails): string =>
  `${JSON.stringify({
    error: {
      code: details.code,
      exit: details.exit,
      message: details.message,
      why: details.why ?? null,
      hint: details.hint ?? null,
      field: details.field ?? null,
      requestId: details.requestId ?? null,
      retryable: details.retryable ?? false,
      ...(details.items ? { errors: details.items } : {}),
    },
  })}\n`;
