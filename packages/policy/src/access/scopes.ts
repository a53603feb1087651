const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;

/** RFC 6749 §3.3 scope-token, at most 128 characters. */
export function isScope(text: string): boolean {
  return SCOPE.test(text);
}

/** The first of `required` that is not held, or null: scopes are compared whole, there are no wildcards. */
export function missingScope(required: readonly string[], held: readonly string[]): string | null {
  for (const scope of required) if (!held.includes(scope)) return scope;
  return null;
}
