import { type CommandSpec, flag, words } from './types.ts';

const SECRET_TO = flag('secret-to', 'SINK', 'file:PATH (0600), exec:CMD (secret on its stdin); not shown then');
const FORCE = flag('force', null, 'let file: replace an existing file');

export const keySpecs: readonly CommandSpec[] = [
  {
    path: ['keys', 'generate'],
    summary: 'Make a key; its secret is shown once',
    about:
      'Only the secret goes to stdout, so K=$(fluxctl keys generate …) works. With -o json the whole object does.\n' +
      'What is left out follows the policy: expiry from max_age, budget from max_requests.',
    flags: [
      flag('name', 'NAME', 'stable name of the key', { required: true }),
      words('scope', 'SCOPE', 'what it may do: --scope a b, --scope a,b or repeated'),
      flag('quota', 'N/WINDOW', 'e.g. 50000/d, 1000/h, 1000000/mo, or unlimited'),
      flag('expiry', 'TIME', 'e.g. 90d, 12w, 6mo or 2027-01-31'),
      flag('owner', 'WHO', 'team or person to ask'),
      words('label', 'K=V', 'labels', { commas: false }),
      words('route', 'ROUTE', 'confine it to these routes'),
      words('cidr', 'CIDR', 'accept it only from these addresses'),
      flag('budget', 'N', 'requests a version may make in its life, or unlimited'),
      flag('rotate-every', 'TIME', 'rotation policy: due again after this long'),
      flag('rotate-grace', 'TIME', 'rotation policy: how long old and new both verify (default 24h)'),
      flag('deliver', 'vault:PATH#FIELD', 'rotation policy: where the server puts each new secret'),
      flag('signing', null, 'make a secret that signs requests (hmac-sha256) in place of a key; see: fluxctl sign'),
      flag('signing-key', 'FILE', 'its requests are signed with the private half of this Ed25519 public key (PEM or JWK)'),
      SECRET_TO,
      FORCE,
    ],
    examples: [
      ['a key for 90 days', 'fluxctl keys generate --name analytics-service --scope read:metrics --quota 50000/d --expiry 90d'],
      ['one that signs its requests', 'fluxctl keys generate --name billing --signing --secret-to file:billing.signing'],
      ['straight into a file', 'fluxctl keys generate --name batch --scope read:metrics --secret-to file:batch.key'],
    ],
  },
  {
    path: ['keys', 'list'],
    summary: 'List keys, newest first',
    flags: [
      flag('search', 'TEXT', 'part of the name, id, owner or last four'),
      flag('scope', 'SCOPE', 'keys that hold this scope'),
      flag('state', 'STATE', 'only keys in this state', { choices: ['active', 'revoked', 'expired', 'exhausted', 'suspended'] }),
      flag('expiring', 'TIME', 'keys that end within this time, e.g. 14d'),
      flag('unused', 'TIME', 'keys not used for this long, e.g. 30d'),
      flag('due', null, 'keys whose rotation is due'),
      flag('limit', 'N', 'at most this many (default 100)'),
      flag('all', null, 'every key, page by page'),
    ],
    examples: [
      ['what ends soon', 'fluxctl keys list --expiring 14d'],
      ['ids of keys that nobody uses', 'fluxctl keys list --unused 30d --all -o name'],
    ],
  },
  {
    path: ['keys', 'get'],
    args: [{ name: 'KEY', required: true }],
    summary: 'Show a key by name, id or kid',
    examples: [
      ['what it may do, and its versions', 'fluxctl keys get analytics-service'],
      ['one value', 'fluxctl keys get analytics-service --field expiresAt'],
    ],
  },
  {
    path: ['keys', 'update'],
    args: [{ name: 'KEY', required: true }],
    summary: 'Change what a key may do; only the given flags change',
    flags: [
      words('scope', 'SCOPE', 'replace the scopes'),
      words('add-scope', 'SCOPE', 'add scopes'),
      words('remove-scope', 'SCOPE', 'take scopes away'),
      flag('quota', 'N/WINDOW', 'e.g. 50000/d, or unlimited'),
      flag('budget', 'N', 'requests a version may make in its life, or unlimited'),
      flag('owner', 'WHO', 'team or person to ask; "" for none'),
      words('label', 'K=V', 'set labels; K= removes one', { commas: false }),
      words('route', 'ROUTE', 'confine it to these routes, or: any'),
      words('cidr', 'CIDR', 'accept it only from these addresses, or: any'),
      flag('rotate-every', 'TIME', 'rotation policy: due after this long, or: never'),
      flag('rotate-grace', 'TIME', 'rotation policy: how long old and new both verify'),
      flag('deliver', 'vault:PATH#FIELD', 'rotation policy: where the server puts each new secret, or: none'),
      flag('suspend', null, 'refuse it until --resume'),
      flag('resume', null, 'end a suspension'),
    ],
    examples: [
      ['one scope more', 'fluxctl keys update analytics-service --add-scope read:reports'],
      ['stop it for a while', 'fluxctl keys update analytics-service --suspend'],
    ],
  },
  {
    path: ['keys', 'renew'],
    args: [{ name: 'KEY', required: true }],
    summary: 'Give the current version a new end date and a new budget',
    flags: [flag('expiry', 'TIME', 'e.g. 90d (default: max_age of the policy)')],
    examples: [['90 days more, same secret', 'fluxctl keys renew analytics-service --expiry 90d']],
  },
  {
    path: ['keys', 'revoke'],
    args: [{ name: 'KEY', required: true, many: true }],
    summary: 'End keys at once, on every node',
    about: 'There is no way back. To change a secret without an outage: fluxctl keys rotate.',
    flags: [flag('version', 'KID', 'end only this version'), flag('reason', 'TEXT', 'why; kept in the audit log')],
    examples: [
      ['a leaked key', 'fluxctl keys revoke analytics-service --reason "found in a log" --yes'],
      ['one version of it', 'fluxctl keys revoke analytics-service --version 7Kq2mXcT9aLb --yes'],
    ],
  },
  {
    path: ['keys', 'usage'],
    args: [{ name: 'KEY', required: true }],
    summary: 'Show what a key has used: quota, days, versions',
    flags: [flag('days', 'N', 'days to look back (default 7)')],
    examples: [['the last month', 'fluxctl keys usage analytics-service --days 30']],
  },
  {
    path: ['keys', 'rotate'],
    args: [{ name: 'KEY', many: true }],
    summary: 'Make a new version; old and new both verify until the grace ends',
    about:
      'Without a KEY: rotates what is due by the policy of each key; nothing due is a success.\n' +
      'A repeated run (same CI job, or after a lost answer) mints nothing twice: it exits 7 unless --reissue.',
    flags: [
      flag('grace', 'TIME', 'how long the old version still verifies (default 24h)'),
      flag('expiry', 'TIME', 'when the new version ends, e.g. 90d'),
      flag('secret-to', 'SINK', 'file:PATH (0600), exec:CMD (secret on its stdin) or vault:PATH#FIELD (the server delivers)'),
      FORCE,
      flag('reissue', null, 'replace the new version of an unfinished rotation whose secret was lost'),
    ],
    examples: [
      ['what is due', 'fluxctl keys rotate'],
      [
        'one key, into a CI secret',
        "fluxctl keys rotate analytics-service --grace 24h --secret-to 'exec:gh secret set METRICS_KEY' -o json",
      ],
    ],
  },
  {
    path: ['keys', 'rotations', 'list'],
    summary: 'List rotations, newest first',
    flags: [
      flag('key', 'KEY', 'rotations of this key'),
      flag('state', 'STATE', 'retiring, finished or aborted', { choices: ['retiring', 'finished', 'aborted'] }),
      flag('limit', 'N', 'at most this many (default 100)'),
    ],
    examples: [['what is still running', 'fluxctl keys rotations list --state retiring']],
  },
  {
    path: ['keys', 'rotations', 'status'],
    args: [{ name: 'ROTATION', required: true }],
    summary: 'Show a rotation, and who still uses the old version',
    examples: [['is anyone on the old key?', 'fluxctl keys rotations status rot_7Q2']],
  },
  {
    path: ['keys', 'rotations', 'finish'],
    args: [{ name: 'ROTATION', required: true }],
    summary: 'End the old version now',
    about: 'With --when-idle it refuses (exit 3) while the old version is in use; with --wait as well, it waits for it.',
    flags: [flag('when-idle', 'TIME', 'only if nobody used the old version for this long, e.g. 10m')],
    examples: [['in a pipeline, after the deploy', 'fluxctl keys rotations finish rot_7Q2 --when-idle 10m --wait --timeout 30m']],
  },
  {
    path: ['keys', 'rotations', 'abort'],
    args: [{ name: 'ROTATION', required: true }],
    summary: 'Drop the new version, keep the old one',
    examples: [['the new secret never arrived', 'fluxctl keys rotations abort rot_7Q2 --yes']],
  },
];
