import { compilePlan, type RealmConfig } from '@fluxgate/policy';
import type { ConfigChange, Diagnostic } from '@fluxgate/protocol/admin';
import { diagnose, diffConfig, findPlace, mergeConfig, type ParsedConfig, parseConfig } from '@fluxgate/protocol/config';
import { buildState, encodeRecords } from '@fluxgate/protocol/sync';
import type { Tx } from '@fluxgate/stores/postgres';
import { moveRing, vaultPathOf } from '../keys/pepper.ts';
import { isProblem, type Problem, problem } from '../problem.ts';
import { CONFIG_KINDS, readRealmConfig } from '../realm/config.ts';
import { changedObjects, type ObjectChanges, recordsOf } from '../realm/objects.ts';
import { missingSecret, secretUses } from '../realm/secret-references.ts';
import type { Services } from '../services.ts';
import type { Handler } from './call.ts';

type Value = { changes: ConfigChange[]; warnings: Diagnostic[]; dryRun: boolean; revision: number | null };

const NOTHING_APPLIED = 'nothing was applied';

function refusal(diagnostics: readonly Diagnostic[]): Problem | null {
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const first = errors[0];
  if (first === undefined) return null;
  const count = errors.length === 1 ? '1 mistake' : `${errors.length} mistakes`;
  return problem(
    'config_invalid',
    `${count}, ${NOTHING_APPLIED}; the first: ${first.file}:${first.line}:${first.column} ${first.message}`,
    first.remedy,
    {
      errors: diagnostics.map(({ file, line, column, severity, code, message, remedy }) => ({
        file,
        line,
        column,
        severity,
        code,
        message,
        hint: remedy,
      })),
    },
  );
}

/** One revision or none: files are read, merged, judged whole, compiled as a node would, and only then written. */
export const configApply: Handler<'configApply'> = async (call, services) => {
  const { body, realm, nowMs, dryRun } = call;
  const parsed = parseConfig(body.files);
  const misread = refusal(parsed.diagnostics);
  // Findings of the whole are worth having beside those of the files, so a first look goes on as far as it can.
  const current = await readRealmConfig(services.db.prisma, realm);
  const merged = mergeConfig(current, parsed.input);
  if (misread !== null) return refusal(inOrder([...parsed.diagnostics, ...diagnose(merged, parsed.positions)])) ?? misread;

  const secrets = await secretWarnings(services, realm, merged, parsed);
  const ring = await bringRing(services, realm, current, merged, dryRun);
  if (ring !== null) return ring;

  const done = await call.write<Value>(
    async (tx) => {
      const before = await readRealmConfig(tx, realm);
      const after = mergeConfig(before, parsed.input);
      const diagnostics = inOrder([...parsed.diagnostics, ...diagnose(after, parsed.positions), ...secrets]);
      const refused = refusal(diagnostics);
      if (refused !== null) return refused;
      const isNew = (await tx.configObject.count({ where: { realm, kind: CONFIG_KINDS.settings } })) === 0;
      const objects = changedObjects(before, after, isNew);
      const unfit = compiles(after, objects);
      if (unfit !== null) return unfit;
      await save(tx, realm, objects, nowMs);
      const changes = diffConfig(before, after);
      const quiet = objects.put.length === 0 && objects.gone.length === 0;
      return {
        value: { changes, warnings: diagnostics, dryRun, revision: null },
        records: quiet ? [] : recordsOf(objects),
        // A route that was narrowed must not stay open for longer than a key that was revoked.
        urgent: true,
        audit: quiet ? [] : [{ target: 'config', after: { changes } }],
      };
    },
    { exclusive: true },
  );
  if (isProblem(done)) return done;
  return { ...done.value, revision: done.made, convergence: null };
};

/** The state that nodes would hold, made by their own decoder and compiled by their own compiler. */
function compiles(config: RealmConfig, changes: ObjectChanges): Problem | null {
  const all = recordsOf(changedObjects(config, config, true));
  const held = buildState(all).held[0];
  if (held !== undefined) {
    return problem(
      'config_invalid',
      `nodes could not hold ${held.id === '' ? 'the settings' : held.id}: ${held.why}; ${NOTHING_APPLIED}`,
      null,
      {
        errors: [{ message: held.why, field: held.id }],
      },
    );
  }
  compilePlan(config);
  try {
    encodeRecords(recordsOf(changes));
    return null;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return problem('payload_too_large', `${error.message}; ${NOTHING_APPLIED}`, 'apply the files in several parts');
  }
}

async function save(tx: Tx, realm: string, { put, gone }: ObjectChanges, nowMs: number): Promise<void> {
  const { revision } = await tx.realm.findUniqueOrThrow({ where: { name: realm }, select: { revision: true } });
  // The head is locked, so the revision of this write is the next one.
  const next = revision + 1n;
  const updatedAt = new Date(nowMs);
  // One statement however many objects: the head is locked until it is done.
  await tx.$executeRaw`
    INSERT INTO config_object (realm, kind, name, spec, labels, owner, revision, created_at, updated_at)
    SELECT ${realm}, r.kind, r.name, r.spec, r.labels, r.owner, ${next}::bigint, ${updatedAt}, ${updatedAt}
      FROM jsonb_to_recordset(${JSON.stringify(put)}::jsonb) AS r(kind text, name text, spec jsonb, labels jsonb, owner text)
    ON CONFLICT (realm, kind, name) DO UPDATE
      SET spec = excluded.spec, labels = excluded.labels, owner = excluded.owner, revision = excluded.revision, updated_at = excluded.updated_at`;
  for (const { kind, name } of gone) await tx.configObject.deleteMany({ where: { realm, kind, name } });
}

async function secretWarnings(
  services: Services,
  realm: string,
  config: RealmConfig,
  { positions }: ParsedConfig,
): Promise<Diagnostic[]> {
  const diagnostics: Diagnostic[] = [];
  for (const { reference, object } of secretUses(config)) {
    const missing = await missingSecret(services, realm, reference);
    if (missing === null) continue;
    const field = object.kind === 'settings' ? 'auth.oauth2.client_secret_ref' : '';
    const place = findPlace(positions, object.kind, object.name, field) ?? { file: '', line: 0, column: 0 };
    const message = `${reference}: ${missing.why}; until then what needs it answers 503 secret_missing`;
    diagnostics.push({ severity: 'warning', code: 'secret_missing', ...place, message, remedy: missing.remedy });
  }
  return diagnostics;
}

/** Keys were made with the ring at the old place: a new `vault_path` takes it along, or is refused. */
async function bringRing(
  services: Services,
  realm: string,
  before: RealmConfig,
  after: RealmConfig,
  dryRun: boolean,
): Promise<Problem | null> {
  const from = vaultPathOf(before.settings.apiKey);
  const to = vaultPathOf(after.settings.apiKey);
  if (from === to || dryRun) return null;
  const field = await moveRing(services.secretsOf(realm), from, to);
  if (field === null) return null;
  const message = `another pepper ring lies at ${to} (${field} differs): the keys made with ${from} would all be refused`;
  return problem(
    'config_invalid',
    `${message}; ${NOTHING_APPLIED}`,
    `keep vault_path: "${from}", or choose a path without a ring`,
    { errors: [{ message, severity: 'error', code: 'pepper_ring_differs' }] },
  );
}

/** By file and place, each finding once. */
function inOrder(list: readonly Diagnostic[]): Diagnostic[] {
  const once = new Map(list.map((one) => [JSON.stringify(one), one]));
  return [...once.values()].sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column));
}
