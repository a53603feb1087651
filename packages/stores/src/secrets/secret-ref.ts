import { isAbsolute, relative, resolve } from 'node:path';

/** A secret by reference. Only the control plane resolves one. */
export type SecretRef =
  | { readonly kind: 'vault'; readonly path: string; readonly field: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly name: string };

/** What references may reach: a configuration must not be able to read or send away anything else. */
export interface SecretPrefixes {
  /** Each ends in `/`. */
  readonly vault: readonly string[];
  /** Directories, absolute. */
  readonly directories: readonly string[];
  readonly env: readonly string[];
}

/** `secretsDir`: the secrets directory, or null if the deployment has none (then `file:` is refused). */
export function defaultPrefixes(secretsDir: string | null): SecretPrefixes {
  return { vault: ['secret/data/'], directories: secretsDir === null ? [] : [resolve(secretsDir)], env: ['FLUXGATE_SECRET_'] };
}

export type SecretRefResult =
  | { readonly ok: true; readonly ref: SecretRef }
  | { readonly ok: false; readonly why: string; readonly remedy: string };

const refused = (why: string, remedy: string): SecretRefResult => ({ ok: false, why, remedy });
const FIELD = /^[A-Za-z0-9_.-]{1,100}$/;
const SEGMENT = /^[A-Za-z0-9_.@-]{1,100}$/;

/** Why a path of the secret store is refused, or null. No empty, `.` or `..` segments: one spelling each. */
export function secretPathProblem(path: string, field: string, allowed: SecretPrefixes): string | null {
  if (path.length > 400) return 'the path is longer than 400 characters';
  if (path.split('/').some((segment) => !SEGMENT.test(segment) || segment === '.' || segment === '..')) {
    return 'the path holds an empty, dotted or unusual segment';
  }
  if (!FIELD.test(field)) return 'the field is not 1 to 100 letters, digits, `_`, `.` or `-`';
  if (!allowed.vault.some((prefix) => path.startsWith(prefix) && path.length > prefix.length)) {
    return `the path is not under ${allowed.vault.join(' or ')}`;
  }
  return null;
}

/** `vault:path#field`, `file:/absolute/path`, `env:NAME`. */
export function parseSecretRef(text: string, allowed: SecretPrefixes): SecretRefResult {
  const [, kind, rest = ''] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  switch (kind) {
    case 'vault': {
      const cut = rest.indexOf('#');
      if (cut < 0) return refused('the reference names no field', 'write vault:secret/data/<name>#<field>');
      const path = rest.slice(0, cut);
      const field = rest.slice(cut + 1);
      const why = secretPathProblem(path, field, allowed);
      return why === null
        ? { ok: true, ref: { kind, path, field } }
        : refused(why, `write vault:${allowed.vault[0] ?? ''}<name>#<field>`);
    }
    case 'file': {
      const inside = (directory: string) => {
        const below = relative(directory, rest);
        return below !== '' && !below.startsWith('..') && !isAbsolute(below);
      };
      if (!isAbsolute(rest) || resolve(rest) !== rest || rest.includes('\0'))
        return refused('the file is not named by one absolute path', 'write file:/path/to/secret');
      if (!allowed.directories.some(inside)) {
        return refused(
          'the file is not in the secrets directory',
          allowed.directories.length === 0
            ? 'this control plane has no secrets directory: use vault: or env:'
            : `put it under ${allowed.directories.join(' or ')}`,
        );
      }
      return { ok: true, ref: { kind, path: rest } };
    }
    case 'env':
      if (
        !/^[A-Z][A-Z0-9_]{0,127}$/.test(rest) ||
        !allowed.env.some((prefix) => rest.startsWith(prefix) && rest.length > prefix.length)
      ) {
        return refused(`the variable does not start with ${allowed.env.join(' or ')}`, `name it ${allowed.env[0] ?? ''}…`);
      }
      return { ok: true, ref: { kind, name: rest } };
    default:
      return refused('not a secret reference', 'write vault:path#field, file:/path or env:NAME');
  }
}
