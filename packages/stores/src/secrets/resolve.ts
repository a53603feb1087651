import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { relative } from 'node:path';
import type { SecretStore } from '../ports/secret-store.ts';
import { Secret } from './secret.ts';
import { parseSecretRef, type SecretPrefixes } from './secret-ref.ts';

export type Resolved =
  | { readonly ok: true; readonly secret: Secret }
  | { readonly ok: false; readonly why: string; readonly remedy: string };

const FILE_BYTES_MAX = 65_536;
const missing = (why: string, remedy: string): Resolved => ({ ok: false, why, remedy });

/** Finds the value of a reference. A missing secret is a value; a store out of reach throws `DatabaseUnavailable`. */
export async function resolveSecretRef(
  text: string,
  from: {
    readonly store: SecretStore;
    readonly prefixes: SecretPrefixes;
    readonly env: Readonly<Record<string, string | undefined>>;
  },
): Promise<Resolved> {
  const parsed = parseSecretRef(text, from.prefixes);
  if (!parsed.ok) return parsed;
  const { ref } = parsed;
  switch (ref.kind) {
    case 'vault': {
      const secret = await from.store.get(ref.path, ref.field);
      return secret === null
        ? missing(`${ref.path}#${ref.field} is not set`, `fluxctl secrets set ${ref.path}#${ref.field} --from-stdin`)
        : { ok: true, secret };
    }
    case 'env': {
      const value = from.env[ref.name];
      return value === undefined || value === ''
        ? missing(`${ref.name} is not set`, 'set it for the control plane')
        : { ok: true, secret: Secret.fromText(value) };
    }
    case 'file':
      return readSecretFile(ref.path, from.prefixes);
  }
}

function readSecretFile(path: string, prefixes: SecretPrefixes): Resolved {
  let fd: number;
  try {
    // A link inside the directory may not lead out of it (mounted secrets are links within theirs).
    const real = realpathSync(path);
    const inside = prefixes.directories.some((directory) => !relative(realpathSync(directory), real).startsWith('..'));
    if (!inside) return missing(`${path} leads out of the secrets directory`, 'put the file itself there');
    fd = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    return missing(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'let the user of the control plane read it',
    );
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > FILE_BYTES_MAX)
      return missing(`${path} is not a small file`, `at most ${FILE_BYTES_MAX} bytes`);
    const value = readFileSync(fd, 'utf8').replace(/\r?\n$/, '');
    return value === '' ? missing(`${path} is empty`, 'write the secret into it') : { ok: true, secret: Secret.fromText(value) };
  } finally {
    closeSync(fd);
  }
}
