import type { z } from 'zod';
import { FromNode, ToNode } from './messages.ts';
import type { Decoded } from './records.ts';

/** Longest JSON message either side reads; the largest honest one is a usage report. */
export const TEXT_CHARS_MAX = 4 * 1024 * 1024;

function parse<T extends z.ZodType>(schema: T, text: string): Decoded<z.infer<T>> {
  if (text.length > TEXT_CHARS_MAX) return { ok: false, why: `a message of ${text.length} characters` };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, why: 'not JSON' };
  }
  const result = schema.safeParse(json);
  if (result.success) return { ok: true, value: result.data };
  const first = result.error.issues[0];
  // The path and the kind of mistake, never the value: it may be a secret.
  return { ok: false, why: `not a message of this protocol: ${first?.path.join('.') ?? ''} ${first?.code ?? ''}`.trim() };
}

/** What a node says. */
export function parseFromNode(text: string): Decoded<FromNode> {
  return parse(FromNode, text);
}

/** What the control plane says. */
export function parseToNode(text: string): Decoded<ToNode> {
  return parse(ToNode, text);
}
