import type { Grant, Quota } from '@fluxgate/policy';
import { UniqueConflict } from '@fluxgate/stores';
import { newId } from '../door.ts';
import { deliveryProblem } from '../keys/delivery.ts';
import { internGrant } from '../keys/grants.ts';
import { keyRecord, type Lineage, readLineage, versionsOf } from '../keys/lineage.ts';
import { mintKey } from '../keys/mint.ts';
import { pepperFor } from '../keys/pepper.ts';
import { signingErrors } from '../keys/signing.ts';
import { dueAtMs, expiryOf, termsOf, wishErrors } from '../keys/terms.ts';
import { auditView, keyView } from '../keys/view.ts';
import { type FieldError, invalid, isProblem, problem } from '../problem.ts';
import { knownRoutes, readKeyContext } from '../realm/config.ts';
import type { Handler } from './call.ts';

/** A new credential with its first version. The secret is in the answer and nowhere else. */
export const keysGenerate: Handler<'keysGenerate'> = async (call, services) => {
  const { body, realm, nowMs } = call;
  const context = await readKeyContext(services.db.prisma, realm);
  const terms = termsOf(context.settings.apiKey);
  const errors: FieldError[] = wishErrors(body, terms, await knownRoutes(services.db.prisma, realm, body.routes ?? []));
  if (/^key_[0-9A-Za-z]{12}$/.test(body.name))
    errors.push({ field: 'name', message: 'names of this shape are taken for ids', hint: 'choose another name' });
  errors.push(...signingErrors(body.signing));
  if (body.expiresAt !== undefined && body.expiresInMs !== undefined)
    errors.push({ field: 'expiresAt', message: 'give expiresAt or expiresInMs, not both', hint: null });
  if (errors.length > 0) return invalid(errors);
  const refused = deliveryProblem(body.rotation?.deliver ?? null, context.settings.apiKey);
  if (refused !== null) return refused;
  const lifetimeMs = body.expiresAt === undefined ? (body.expiresInMs ?? null) : new Date(body.expiresAt).getTime() - nowMs;
  const expiry = expiryOf(terms, nowMs, lifetimeMs);
  if (isProblem(expiry)) return expiry;
  const pepper = await pepperFor(services, realm, context.settings.apiKey);
  if (isProblem(pepper)) return pepper;

  const minted = mintKey(services.door, realm, pepper, body.signing ?? undefined);
  const id = newId(services.door, 'key');
  const requestBudget = body.requestBudget === undefined ? terms.maxRequests : body.requestBudget;
  const grant: Grant = {
    scopes: body.scopes,
    routes: body.routes,
    cidrs: body.cidrs,
    quota: body.quota as Quota | null,
    requestBudget,
    owner: body.owner,
    ...(body.signing === null ? {} : { signing: body.signing }),
  };
  const dueMs = dueAtMs(body.rotation?.everyMs ?? null, nowMs, expiry.notAfterMs);
  const now = new Date(nowMs);
  const taken = () =>
    problem(
      'key_name_taken',
      `a key named "${body.name}" exists in the realm ${realm}`,
      'choose another name, or rotate the key that exists',
      { errors: [{ field: 'name', message: 'taken', hint: null }] },
    );
  try {
    const done = await call.write(async (tx) => {
      if ((await tx.credential.count({ where: { realm, name: body.name } })) > 0) return taken();
      const interned = await internGrant(tx, realm, grant);
      const { nextCredential } = await tx.realm.update({
        where: { name: realm },
        data: { nextCredential: { increment: 1 } },
        select: { nextCredential: true },
      });
      await tx.credential.create({
        data: {
          id,
          realm,
          number: nextCredential - 1,
          name: body.name,
          owner: body.owner,
          labels: body.labels,
          grantNumber: interned.number,
          scopes: [...body.scopes],
          routes: body.routes ?? [],
          routesSet: body.routes !== null,
          cidrs: body.cidrs ?? [],
          cidrsSet: body.cidrs !== null,
          ...(body.quota === null ? {} : { quota: body.quota }),
          requestBudget: requestBudget === null ? null : BigInt(requestBudget),
          ...(body.rotation === null ? {} : { rotation: body.rotation }),
          rotationDueAt: dueMs === null ? null : new Date(dueMs),
          createdAt: now,
          updatedAt: now,
          versions: {
            create: {
              kid: minted.kid,
              realm,
              number: 1,
              digest: minted.digest,
              pepperVersion: minted.pepperVersion,
              lastFour: minted.lastFour,
              state: 'active',
              notAfter: new Date(expiry.notAfterMs),
              budgetLimit: requestBudget === null ? null : BigInt(requestBudget),
              createdAt: now,
            },
          },
        },
      });
      const lineage = (await readLineage(tx, realm, id)) as Lineage;
      const key = keyView(lineage, context.tiers, nowMs);
      const records = versionsOf(lineage).map((version) => keyRecord(version, minted, lineage.row));
      return {
        value: { key, secret: call.dryRun ? null : minted.plaintext, replayed: false },
        records: [...interned.records, ...records],
        audit: [{ target: `key/${body.name}`, after: auditView(key) }],
      };
    });
    return isProblem(done) ? done : { ...done.value, revision: done.revision, convergence: null };
  } catch (error) {
    if (error instanceof UniqueConflict && /name/.test(error.constraint ?? error.columns.join())) return taken();
    throw error;
  }
};
