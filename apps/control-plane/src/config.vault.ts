import { Secret } from '@fluxgate/stores/secrets';

/** What of the configuration concerns Vault or OpenBao. */
export interface VaultConfig {
  readonly address: string;
  readonly namespace: string | null;
  readonly caFile: string | null;
  readonly login:
    | { readonly method: 'token'; readonly token: Secret }
    | { readonly method: 'token_file'; readonly file: string }
    | { readonly method: 'approle'; readonly mount: string; readonly roleId: string; readonly secretIdFile: string }
    | { readonly method: 'kubernetes'; readonly mount: string; readonly role: string; readonly tokenFile: string };
  /** What the names of the issuer's keys in Transit begin with; null: the issuer's keys stay in the `local` store. */
  readonly transitKey: string | null;
}

type Read = { readonly value: string } | { readonly why: string; readonly remedy: string };
const any = (text: string): Read => ({ value: text });
const optional = { fallback: null, required: false } as const;

function vaultAddress(text: string): Read {
  const remedy = 'write https://vault.example.com:8200; http:// only for loopback, because tokens cross that line';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '')
    return { why: 'it is not the address of a Vault', remedy };
  const isLoopback = /^(localhost|\[::1\]|127(\.\d{1,3}){3})$/.test(url.hostname);
  return url.protocol === 'https:' || isLoopback
    ? { value: text }
    : { why: `${url.host} is not loopback, and it is not https`, remedy };
}

const mount = (text: string): Read =>
  /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/.test(text)
    ? { value: text }
    : { why: `"${text.slice(0, 100)}" is not a mount`, remedy: 'write the path behind auth/, e.g. approle' };

const keyName = (text: string): Read =>
  /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(text)
    ? { value: text }
    : {
        why: `"${text.slice(0, 100)}" cannot begin the name of a Transit key`,
        remedy: 'letters, digits, `_` and `-`, e.g. fluxgate',
      };

const reference = (text: string): Read =>
  /^vault:[A-Za-z0-9_.@-]+(\/[A-Za-z0-9_.@-]+)*\/data\/[A-Za-z0-9_.@/-]+#[A-Za-z0-9_.-]+$/.test(text)
    ? { value: text }
    : { why: 'it is not a reference into Vault', remedy: 'write vault:secret/data/fluxgate#kek' };

/** Part of the one table of settings. */
export const vaultSettings = {
  FLUXGATE_KEK_REF: {
    yaml: 'kek_ref',
    purpose: 'Instead of FLUXGATE_KEK_FILE: `vault:PATH#FIELD` of the key-encryption key, read from Vault at start',
    ...optional,
    read: reference,
  },
  VAULT_ADDR: {
    yaml: 'vault_addr',
    purpose:
      'Vault or OpenBao that holds what `vault:` references name (KV version 2); unset: they name entries of the `local` store',
    ...optional,
    read: vaultAddress,
  },
  VAULT_NAMESPACE: { yaml: 'vault_namespace', purpose: 'Namespace in Vault', ...optional, read: any },
  VAULT_CACERT: { yaml: 'vault_cacert', purpose: 'PEM file with the certificates to trust Vault by', ...optional, read: any },
  VAULT_TOKEN: {
    yaml: 'vault_token',
    purpose: 'Token of the control plane for Vault; better is one of the next',
    ...optional,
    read: any,
  },
  VAULT_TOKEN_FILE: {
    yaml: 'vault_token_file',
    purpose: 'File with the token, read again at each login (Vault agent)',
    ...optional,
    read: any,
  },
  FLUXGATE_VAULT_ROLE_ID: { yaml: 'vault_role_id', purpose: 'AppRole login: the role id', ...optional, read: any },
  FLUXGATE_VAULT_SECRET_ID_FILE: {
    yaml: 'vault_secret_id_file',
    purpose: 'AppRole login: file with the secret id, read at each login',
    ...optional,
    read: any,
  },
  FLUXGATE_VAULT_K8S_ROLE: { yaml: 'vault_k8s_role', purpose: 'Kubernetes login: the role', ...optional, read: any },
  FLUXGATE_VAULT_K8S_TOKEN_FILE: {
    yaml: 'vault_k8s_token_file',
    purpose: 'Kubernetes login: file with the token of the service account',
    fallback: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    required: false,
    read: any,
  },
  FLUXGATE_VAULT_AUTH_MOUNT: {
    yaml: 'vault_auth_mount',
    purpose: 'Where the login is mounted below `auth/`; unset: `approle` or `kubernetes`',
    ...optional,
    read: mount,
  },
  FLUXGATE_VAULT_TRANSIT_KEY: {
    yaml: 'vault_transit_key',
    purpose:
      "Beginning of the names of the issuer's keys in Transit, e.g. `fluxgate`; set: private keys are made in Vault and never leave it",
    ...optional,
    read: keyName,
  },
} as const;
export type VaultSettingName = keyof typeof vaultSettings;

interface Problem {
  readonly name: string;
  readonly why: string;
  readonly remedy: string;
}

/** From texts that were read well. null: no Vault. */
export function vaultConfig(get: (name: VaultSettingName) => string | null): {
  readonly vault: VaultConfig | null;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const address = get('VAULT_ADDR');
  const given = (
    ['VAULT_TOKEN', 'VAULT_TOKEN_FILE', 'FLUXGATE_VAULT_ROLE_ID', 'FLUXGATE_VAULT_K8S_ROLE'] as const satisfies VaultSettingName[]
  ).filter((name) => get(name) !== null);
  if (address === null) {
    const needing = (['FLUXGATE_KEK_REF', 'FLUXGATE_VAULT_TRANSIT_KEY', ...given] as const).filter(
      // Many a shell has a VAULT_TOKEN for other work.
      (name) => name !== 'VAULT_TOKEN' && get(name) !== null,
    );
    for (const name of needing) problems.push({ name, why: 'it needs a Vault, and there is none', remedy: 'set VAULT_ADDR too' });
    return { vault: null, problems };
  }
  if (given.length !== 1)
    problems.push({
      name: 'VAULT_ADDR',
      why: given.length === 0 ? 'nothing says how to log in there' : `${given.join(' and ')} are two ways to log in`,
      remedy: 'set one of VAULT_TOKEN, VAULT_TOKEN_FILE, FLUXGATE_VAULT_ROLE_ID, FLUXGATE_VAULT_K8S_ROLE',
    });
  const secretIdFile = get('FLUXGATE_VAULT_SECRET_ID_FILE');
  if ((given[0] === 'FLUXGATE_VAULT_ROLE_ID') !== (secretIdFile !== null))
    problems.push({
      name: secretIdFile === null ? 'FLUXGATE_VAULT_SECRET_ID_FILE' : 'FLUXGATE_VAULT_ROLE_ID',
      why: 'a role id and the file of its secret id go together, and one is missing',
      remedy: 'set both',
    });
  const login = loginOf(given[0], get);
  if (problems.length > 0 || login === null) return { vault: null, problems };
  const [namespace, caFile, transitKey] = [get('VAULT_NAMESPACE'), get('VAULT_CACERT'), get('FLUXGATE_VAULT_TRANSIT_KEY')];
  return { vault: { address, namespace, caFile, login, transitKey }, problems };
}

function loginOf(by: VaultSettingName | undefined, get: (name: VaultSettingName) => string | null): VaultConfig['login'] | null {
  const text = by === undefined ? null : get(by);
  if (text === null) return null;
  switch (by) {
    case 'VAULT_TOKEN':
      return { method: 'token', token: Secret.fromText(text) };
    case 'VAULT_TOKEN_FILE':
      return { method: 'token_file', file: text };
    case 'FLUXGATE_VAULT_ROLE_ID': {
      const secretIdFile = get('FLUXGATE_VAULT_SECRET_ID_FILE') ?? '';
      return { method: 'approle', mount: get('FLUXGATE_VAULT_AUTH_MOUNT') ?? 'approle', roleId: text, secretIdFile };
    }
    default: {
      const tokenFile = get('FLUXGATE_VAULT_K8S_TOKEN_FILE') ?? '';
      return { method: 'kubernetes', mount: get('FLUXGATE_VAULT_AUTH_MOUNT') ?? 'kubernetes', role: text, tokenFile };
    }
  }
}
