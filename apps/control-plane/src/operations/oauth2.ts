import type { ConfigureOAuth2Client, OAuth2Client, OAuth2ClientResult } from '@fluxgate/protocol/admin';
import type { Prisma, Reader } from '@fluxgate/stores/postgres';
import { parseSecretRef } from '@fluxgate/stores/secrets';
import { type FieldError, invalid, isProblem, type Problem, problem } from '../problem.ts';
import { canonicalJson } from '../realm/canonical-json.ts';
import { CONFIG_KINDS, readRealmConfig } from '../realm/config.ts';
import { redirectProblem } from '../realm/redirect-uri.ts';
import { requiredScopes } from '../realm/required-scopes.ts';
import { missingSecret } from '../realm/secret-references.ts';
import type { Handler } from './call.ts';

const kind = CONFIG_KINDS.oauth2Client;
type Row = Prisma.ConfigObjectGetPayload<Record<never, never>>;
type Spec = Omit<OAuth2Client, 'clientId' | 'updatedAt' | 'revision'>;
type Decided = Pick<OAuth2ClientResult, 'outcome' | 'client' | 'changes'>;
const blank: Spec = { redirectUris: [], scopes: [], clientSecretRef: null, issuer: null, name: null };
const specOf = (row: Row | null): Spec => ({ ...blank, ...(row === null ? {} : (row.spec as unknown as Spec)) });
const viewOf = (row: Row): OAuth2Client => ({
  clientId: row.name,
  ...specOf(row),
  updatedAt: row.updatedAt.toISOString(),
  revision: Number(row.revision),
});
const find = (db: Reader, realm: string, name: string): Promise<Row | null> =>
  db.configObject.findUnique({ where: { realm_kind_name: { realm, kind, name } } });
const notFound = (clientId: string): Problem =>
  problem('client_not_found', `there is no OAuth2 client "${clientId.slice(0, 200)}"`, '`fluxctl oauth2 list` shows all');

function judged(clientId: string, patch: ConfigureOAuth2Client): Problem | null {
  if (!/^[\x21-\x7e]{1,200}$/.test(clientId))
    return invalid([{ field: 'clientId', message: '1 to 200 visible ASCII characters', hint: null }]);
  const wrong = (patch.redirectUris ?? []).flatMap((uri, index): FieldError[] => {
    const found = redirectProblem(uri);
    return found === null
      ? []
      : [{ field: `redirectUris.${index}`, message: found, hint: 'write the exact https URL that the provider redirects to' }];
  });
  const first = wrong[0];
  if (first !== undefined)
    return problem('redirect_uri_invalid', `${first.field}: ${first.message}`, first.hint ?? null, { errors: wrong });
  if (patch.issuer != null && !(URL.canParse(patch.issuer) && /^https?:\/\/[^?#]+$/.test(patch.issuer))) {
    return invalid([{ field: 'issuer', message: 'not an http or https URL without query and fragment', hint: null }]);
  }
  return null;
}

/** Only the given fields change. A second run with the same fields is `unchanged`. */
export const oauth2Configure: Handler<'oauth2Configure'> = async (call, services) => {
  const { realm, body, params, nowMs } = call;
  const clientId = params['clientId'] ?? '';
  const refused = judged(clientId, body);
  if (refused !== null) return refused;
  const reference = body.clientSecretRef ?? null;
  if (reference !== null) {
    const parsed = parseSecretRef(reference, services.prefixes);
    if (!parsed.ok) return problem('secret_ref_refused', `clientSecretRef: ${parsed.why}`, parsed.remedy);
  }
  const required = requiredScopes(await readRealmConfig(services.db.prisma, realm));
  const done = await call.write<Decided>(
    async (tx) => {
      const row = await find(tx, realm, clientId);
      const before = specOf(row);
      const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as Partial<Spec>;
      const after: Spec = { ...before, ...given };
      const fields = (Object.keys(blank) as (keyof Spec)[]).filter(
        (field) => canonicalJson(before[field]) !== canonicalJson(after[field]),
      );
      const changes = fields.map((path) => ({ path, before: row === null ? null : before[path], after: after[path] }));
      if (row !== null && changes.length === 0)
        return {
          value: { outcome: 'unchanged', client: viewOf(row), changes: [] },
          records: [],
          audit: [],
        };
      const { revision } = await tx.realm.findUniqueOrThrow({ where: { name: realm }, select: { revision: true } });
      const now = new Date(nowMs);
      const content = { spec: JSON.parse(JSON.stringify(after)), updatedAt: now, revision };
      const saved = await tx.configObject.upsert({
        where: { realm_kind_name: { realm, kind, name: clientId } },
        create: { realm, kind, name: clientId, createdAt: now, ...content },
        update: content,
      });
      const outcome = row === null ? 'created' : 'updated';
      return {
        value: { outcome, client: viewOf(saved), changes },
        records: [],
        audit: [{ target: `oauth2_client/${clientId}`, before: row === null ? null : before, after }],
      };
    },
    { exclusive: true },
  );
  if (isProblem(done)) return done;
  const { client, outcome, changes } = done.value;
  const warnings = client.scopes.filter((scope) => !required.has(scope)).map((scope) => `no route requires ${scope} yet`);
  if (client.redirectUris.length === 0) warnings.push('the client has no redirect URI yet, so nobody can log in with it');
  const missing = client.clientSecretRef === null ? null : await missingSecret(services, realm, client.clientSecretRef);
  if (missing !== null) warnings.push(`${client.clientSecretRef}: ${missing.why}; ${missing.remedy}`);
  return { outcome, client, changes, warnings, revision: done.revision, convergence: null };
};

export const oauth2List: Handler<'oauth2List'> = async ({ realm }, { db }) => {
  const rows = await db.prisma.configObject.findMany({ where: { realm, kind }, orderBy: { name: 'asc' } });
  return { items: rows.map(viewOf) };
};

export const oauth2Get: Handler<'oauth2Get'> = async ({ realm, params }, { db }) => {
  const clientId = params['clientId'] ?? '';
  const row = await find(db.prisma, realm, clientId);
  return row === null ? notFound(clientId) : viewOf(row);
};

export const oauth2Delete: Handler<'oauth2Delete'> = async ({ realm, params, write }) => {
  const clientId = params['clientId'] ?? '';
  const done = await write(
    async (tx) => {
      const row = await find(tx, realm, clientId);
      if (row === null) return notFound(clientId);
      await tx.configObject.delete({ where: { realm_kind_name: { realm, kind, name: clientId } } });
      return { value: {}, records: [], audit: [{ target: `oauth2_client/${clientId}`, before: specOf(row) }] };
    },
    { exclusive: true },
  );
  return isProblem(done) ? done : { revision: done.revision, convergence: null };
};
