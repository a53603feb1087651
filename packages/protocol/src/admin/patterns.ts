/** What names look like; apart from the schemas, so that the CLI can judge configuration without loading zod. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$/;
/** RFC 6749 §3.3 scope-token */
export const SCOPE_PATTERN = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;
