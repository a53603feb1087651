import type { ConfigureOAuth2Client, OAuth2ClientResult } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done, plain, text, warn } from '../../outcome.ts';
import { converged, landing, writing } from '../../waiting.ts';

interface Options {
  readonly clientId: string;
  readonly body: ConfigureOAuth2Client;
}

/** `path  + added` and `path  - removed` for sets, `path  before -> after` for single values. */
function changeLines(changes: OAuth2ClientResult['changes']): string[] {
  const width = Math.max(0, ...changes.map(({ path }) => path.length));
  const spelled = (value: unknown): string =>
    value === null || value === undefined ? '(unset)' : typeof value === 'string' ? value : JSON.stringify(value);
  return changes.flatMap(({ path, before, after }) => {
    const head = `  ${path.padEnd(width)}  `;
    if (!Array.isArray(after) && !Array.isArray(before)) return [`${head}${spelled(before)} -> ${spelled(after)}`];
    const was: unknown[] = Array.isArray(before) ? before : [];
    const now: unknown[] = Array.isArray(after) ? after : [];
    return [
      ...now.filter((one) => !was.includes(one)).map((one) => `${head}+ ${spelled(one)}`),
      ...was.filter((one) => !now.includes(one)).map((one) => `${head}- ${spelled(one)}`),
    ];
  });
}

export const configure = command<Options, OAuth2ClientResult, Pick<Needs, 'admin' | 'settings' | 'waiting' | 'now' | 'sleep'>>({
  options: (read) => {
    const [redirects, scopes, secretRef, issuer, name] = [
      read.list('redirect'),
      read.list('scope'),
      read.text('secret-ref'),
      read.text('issuer'),
      read.text('name'),
    ];
    if (secretRef !== undefined && !/^(vault|file|env):\S+$/.test(secretRef) && secretRef !== '')
      read.wrong('secret-ref', 'is a place, never the secret itself', 'write e.g. vault:secret/data/oauth2#client_secret');
    return {
      clientId: read.text('client-id') ?? '',
      body: {
        ...(redirects === undefined ? {} : { redirectUris: [...redirects] }),
        ...(scopes === undefined ? {} : { scopes: [...scopes] }),
        ...(secretRef === undefined ? {} : { clientSecretRef: secretRef === '' ? null : secretRef }),
        ...(issuer === undefined ? {} : { issuer: issuer === '' ? null : issuer }),
        ...(name === undefined ? {} : { name: name === '' ? null : name }),
      },
    };
  },
  run: async ({ clientId, body }, needs) =>
    converged(
      await needs.admin.call('oauth2Configure', { path: { clientId }, body, ...writing(needs.waiting, needs.settings) }),
      needs,
    ),
  show: (result, _options, { settings }) => {
    const landed = landing(result.convergence, result.revision);
    const outcome = settings.dryRun ? `would be ${result.outcome} (dry run)` : result.outcome;
    const lines = changeLines(result.changes);
    return {
      view: text(lines.map((line) => `${line}\n`).join('')),
      names: [result.client.clientId],
      after: [
        result.outcome === 'unchanged'
          ? plain(`${result.client.clientId} unchanged`)
          : done(`${result.client.clientId} ${outcome}${landed.text === null ? '' : ` · ${landed.text}`}`),
        ...result.warnings.map(warn),
        ...(result.outcome === 'unchanged' ? [] : landed.lines),
      ],
      exit: landed.exit,
    };
  },
});
