import type { IssuedClient, IssuerClient } from '@fluxgate/protocol/admin';
import { UniqueConflict } from '@fluxgate/stores';
import { Prisma, type Tx } from '@fluxgate/stores/postgres';
import { newId } from '../door.ts';
import { likeText, pageOf, readCursor } from '../http/paging.ts';
import { judgeClientKeys } from '../issuer/client-judge.ts';
import { type ClientRow, clientView, findClient, isLiveSecret, looksLikeClientId, withSecrets } from '../issuer/client-row.ts';
import { mintClientSecret } from '../issuer/client-secret.ts';
import { invalid, isProblem, type Problem, problem } from '../problem.ts';
import type { Handler } from './call.ts';

const notFound = (name: string): Problem =>
  problem(
    'client_not_found',
    `there is no client "${name.slice(0, 200)}" of the token endpoint`,
    '`fluxctl clients list` shows all',
  );
const target = (name: string): string => `client/${name}`;
const jsonOrNull = (value: object | null): Prisma.InputJsonValue | typeof Prisma.DbNull =>
  value === null ? Prisma.DbNull : JSON.parse(JSON.stringify(value));

/** The row, held until the transaction ends: changes of one client come one after the other. */
async function lockClient(tx: Tx, realm: string, idOrName: string): Promise<ClientRow | null> {
  const row = await findClient(tx, realm, idOrName);
  if (row === null) return null;
  await tx.$queryRaw`SELECT 1 AS one FROM oauth_client WHERE client_id = ${row.clientId} FOR UPDATE`;
  return tx.oauthClient.findUnique({ where: { clientId: row.clientId }, include: withSecrets });
}

/** For the audit log: nothing in it is secret, and secrets are named by their kid. */
const facts = ({ secrets, ...client }: IssuerClient): object => ({ ...client, secrets: secrets.map(({ kid }) => kid) });

export const clientsCreate: Handler<'clientsCreate'> = async (call, services) => {
  const { realm, body, nowMs, actor } = call;
  if (looksLikeClientId(body.name))
    return invalid([{ field: 'name', message: 'names of this shape are taken for ids', hint: 'choose another name' }]);
  const keys = judgeClientKeys(body.authMethod, { jwks: body.jwks ?? null, jwksUri: body.jwksUri ?? null });
  if (isProblem(keys)) return keys;
  const clientId = newId(services.door, 'client');
  const minted =
    body.authMethod === 'private_key_jwt' ? null : mintClientSecret(services.door, services.tokenDigest, realm, clientId);
  const now = new Date(nowMs);
  const taken = (): Problem =>
    problem(
      'client_name_taken',
      `a client named "${body.name}" exists in the realm ${realm}`,
      'choose another name, or rotate its secret',
    );
  try {
    const done = await call.write<IssuedClient>(async (tx) => {
      if ((await tx.oauthClient.count({ where: { realm, name: body.name } })) > 0) return taken();
      const row = await tx.oauthClient.create({
        data: {
          clientId,
          realm,
          name: body.name,
          owner: body.owner,
          authMethod: body.authMethod,
          jwks: jsonOrNull(keys.jwks),
          jwksUri: keys.jwksUri,
          scopes: [...new Set(body.scopes)],
          audiences: [...new Set(body.audiences)],
          tokenTtlMs: body.tokenTtlMs,
          mayIntrospect: body.mayIntrospect,
          createdAt: now,
          createdBy: actor.name,
          updatedAt: now,
          ...(minted === null ? {} : { secrets: { create: { slot: 1, ...minted.row, createdAt: now } } }),
        },
        include: withSecrets,
      });
      const client = clientView(row, nowMs);
      const secret = call.dryRun ? null : (minted?.text ?? null);
      return {
        value: { client, secret, replayed: false },
        records: [],
        audit: [{ target: target(body.name), after: facts(client) }],
      };
    });
    return isProblem(done) ? done : done.value;
  } catch (error) {
    if (error instanceof UniqueConflict && /name/.test(error.constraint ?? error.columns.join())) return taken();
    throw error;
  }
};

export const clientsList: Handler<'clientsList'> = async ({ realm, query, nowMs }, { db }) => {
  const cursor = readCursor('clientsList', query.cursor);
  if (isProblem(cursor)) return cursor;
  const at = cursor === null ? null : new Date(cursor.atMs);
  const contains = query.search === undefined ? null : { contains: likeText(query.search), mode: 'insensitive' as const };
  const rows = await db.prisma.oauthClient.findMany({
    where: {
      realm,
      AND: [
        contains === null ? {} : { OR: [{ name: contains }, { clientId: contains }, { owner: contains }] },
        cursor === null || at === null ? {} : { OR: [{ createdAt: { lt: at } }, { createdAt: at, clientId: { lt: cursor.id } }] },
      ],
    },
    include: withSecrets,
    orderBy: [{ createdAt: 'desc' }, { clientId: 'desc' }],
    take: query.limit + 1,
  });
  const page = pageOf('clientsList', rows, query.limit, (row) => ({ atMs: row.createdAt.getTime(), id: row.clientId }));
  return { items: page.items.map((row) => clientView(row, nowMs)), nextCursor: page.nextCursor };
};

export const clientsGet: Handler<'clientsGet'> = async ({ realm, params, nowMs }, { db }) => {
  const name = params['client'] ?? '';
  const row = await findClient(db.prisma, realm, name);
  return row === null ? notFound(name) : clientView(row, nowMs);
};

/** Only the given fields change. How a client proves itself never does: make another client. */
export const clientsUpdate: Handler<'clientsUpdate'> = async (call) => {
  const { realm, body, params, nowMs } = call;
  const name = params['client'] ?? '';
  const done = await call.write<{ client: IssuerClient }>(async (tx) => {
    const row = await lockClient(tx, realm, name);
    if (row === null) return notFound(name);
    const before = clientView(row, nowMs);
    // A new source of keys takes the place of the other one.
    const source = body.jwks != null || body.jwksUri != null ? { jwks: null, jwksUri: null } : before;
    const keys = judgeClientKeys(before.authMethod, {
      jwks: body.jwks === undefined ? source.jwks : body.jwks,
      jwksUri: body.jwksUri === undefined ? source.jwksUri : body.jwksUri,
    });
    if (isProblem(keys)) return keys;
    const saved = await tx.oauthClient.update({
      where: { clientId: row.clientId },
      data: {
        jwks: jsonOrNull(keys.jwks),
        jwksUri: keys.jwksUri,
        updatedAt: new Date(nowMs),
        ...(body.owner === undefined ? {} : { owner: body.owner }),
        ...(body.scopes === undefined ? {} : { scopes: [...new Set(body.scopes)] }),
        ...(body.audiences === undefined ? {} : { audiences: [...new Set(body.audiences)] }),
        ...(body.tokenTtlMs === undefined ? {} : { tokenTtlMs: body.tokenTtlMs }),
        ...(body.mayIntrospect === undefined ? {} : { mayIntrospect: body.mayIntrospect }),
        ...(body.enabled === undefined ? {} : { enabled: body.enabled }),
      },
      include: withSecrets,
    });
    const client = clientView(saved, nowMs);
    return { value: { client }, records: [], audit: [{ target: target(row.name), before: facts(before), after: facts(client) }] };
  });
  return isProblem(done) ? done : done.value;
};

/** At most two live secrets: the newest, and one that has an end. */
export const clientsRotateSecret: Handler<'clientsRotateSecret'> = async (call, services) => {
  const { realm, body, params, nowMs } = call;
  const name = params['client'] ?? '';
  const found = await findClient(services.db.prisma, realm, name);
  if (found === null) return notFound(name);
  const minted = mintClientSecret(services.door, services.tokenDigest, realm, found.clientId);
  const done = await call.write<IssuedClient>(async (tx) => {
    const row = await lockClient(tx, realm, found.clientId);
    if (row === null) return notFound(name);
    if (row.authMethod === 'private_key_jwt') {
      const hint = 'register another public key: fluxctl clients update, with --jwks or --jwks-uri';
      return problem('client_has_no_secret', `the client ${row.name} proves itself by a key of its own`, hint);
    }
    const live = row.secrets.filter((secret) => isLiveSecret(secret, nowMs));
    const ending = live.find(({ notAfter }) => notAfter !== null);
    if (ending !== undefined && live.length > 1 && body.graceMs > 0) {
      const until = ending.notAfter?.toISOString() ?? '';
      return problem(
        'client_secrets_live',
        `two secrets of ${row.name} are live, the older one (${ending.kid}) until ${until}`,
        'wait until then, or rotate with a grace of 0, which ends both at once',
      );
    }
    const notAfter = new Date(nowMs + body.graceMs);
    const kept = body.graceMs === 0 ? [] : live.slice(0, 1);
    await tx.oauthClientSecret.deleteMany({ where: { clientId: row.clientId, kid: { notIn: kept.map(({ kid }) => kid) } } });
    for (const { kid } of kept) await tx.oauthClientSecret.update({ where: { kid }, data: { notAfter } });
    const slot = kept[0]?.slot === 1 ? 2 : 1;
    const now = new Date(nowMs);
    await tx.oauthClientSecret.create({ data: { clientId: row.clientId, slot, ...minted.row, createdAt: now } });
    const saved = await tx.oauthClient.update({
      where: { clientId: row.clientId },
      data: { updatedAt: now },
      include: withSecrets,
    });
    const client = clientView(saved, nowMs);
    return {
      value: { client, secret: call.dryRun ? null : minted.text, replayed: false },
      records: [],
      audit: [{ target: target(row.name), before: facts(clientView(row, nowMs)), after: facts(client) }],
    };
  });
  return isProblem(done) ? done : done.value;
};

export const clientsDelete: Handler<'clientsDelete'> = async ({ realm, params, nowMs, write }) => {
  const name = params['client'] ?? '';
  const done = await write<{ client: IssuerClient }>(async (tx) => {
    const row = await lockClient(tx, realm, name);
    if (row === null) return notFound(name);
    await tx.oauthClient.delete({ where: { clientId: row.clientId } });
    const client = clientView(row, nowMs);
    return { value: { client }, records: [], audit: [{ target: target(row.name), before: facts(client) }] };
  });
  return isProblem(done) ? done : done.value;
};
