import express, { type Request, type Response } from 'express';
import { isOAuthError, type OAuthError, oauthError } from './oauth-error.ts';

/** An assertion of 16 KiB and everything else that could be meant. */
const BODY_BYTES_MAX = 48 * 1024;
const PARAMETERS_MAX = 64;

/** Parameters that RFC 8707 §2 and RFC 8693 §2.1 let a client repeat. */
const MANY: ReadonlySet<string> = new Set(['resource', 'audience']);

export interface Form {
  /** null: absent, or sent without a value, which is the same (RFC 6749 §3.2). */
  one(name: string): string | null;
  many(name: string): readonly string[];
}

/** RFC 6749 §3.2 and appendix B: a form in UTF-8, no parameter twice, nothing in the URL, where it would end up in logs. */
export async function readForm(request: Request, response: Response): Promise<Form | OAuthError> {
  if (request.url.includes('?')) return oauthError('invalid_request', 'parameters belong into the body, not into the URL');
  const type = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  if (type[0]?.trim() !== 'application/x-www-form-urlencoded')
    return oauthError('invalid_request', 'the body is not application/x-www-form-urlencoded');
  if (request.headers['content-encoding'] !== undefined)
    return oauthError('invalid_request', 'compressed bodies are not accepted');
  const body = await readBody(request, response);
  return isOAuthError(body) ? body : parseForm(body);
}

const raw = express.raw({ limit: BODY_BYTES_MAX, inflate: false, type: () => true });

async function readBody(request: Request, response: Response): Promise<string | OAuthError> {
  try {
    await new Promise<void>((resolve, reject) =>
      raw(request, response, (error?: unknown) => (error ? reject(error) : resolve())),
    );
  } catch (error) {
    const tooLarge = typeof error === 'object' && error !== null && 'type' in error && error.type === 'entity.too.large';
    return tooLarge
      ? oauthError('invalid_request', 'the body is too large', { status: 413 })
      : oauthError('invalid_request', 'the body ended early');
  }
  if (!Buffer.isBuffer(request.body)) return '';
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(request.body);
  } catch {
    return oauthError('invalid_request', 'the body is not UTF-8');
  }
}

export function parseForm(text: string): Form | OAuthError {
  const values = new Map<string, string[]>();
  const parts = text === '' ? [] : text.split('&');
  if (parts.length > PARAMETERS_MAX) return oauthError('invalid_request', 'too many parameters');
  for (const part of parts) {
    const at = part.indexOf('=');
    const name = formDecode(at < 0 ? part : part.slice(0, at));
    const value = formDecode(at < 0 ? '' : part.slice(at + 1));
    if (name === null || value === null) return oauthError('invalid_request', 'the body holds a broken percent-escape');
    if (value === '') continue;
    const known = values.get(name) ?? [];
    if (known.length > 0 && !MANY.has(name)) return oauthError('invalid_request', 'a parameter is given more than once');
    values.set(name, [...known, value]);
  }
  return { one: (name) => values.get(name)?.[0] ?? null, many: (name) => values.get(name) ?? [] };
}

/** null: a broken escape, or one that is not UTF-8. */
export function formDecode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
