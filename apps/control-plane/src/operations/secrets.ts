import type { SecretsStatus } from '@fluxgate/protocol/admin';
import type { SecretMetadata } from '@fluxgate/stores';
import { pendingPepper, readPepperRing, Secret, secretPathProblem } from '@fluxgate/stores/secrets';
import { decodeCursor, encodeCursor } from '../http/cursor.ts';
import { writableProblem } from '../keys/delivery.ts';
import { vaultPathOf } from '../keys/pepper.ts';
import { keysByPepper, rotatePepper } from '../keys/pepper-rotation.ts';
import { invalid, isProblem, type Problem, problem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import { secretStoreProblem } from '../secrets/outage.ts';
import type { Services } from '../services.ts';
import type { Handler } from './call.ts';

const entryOf = ({ path, field, version, updatedAtMs, updatedBy }: SecretMetadata) => ({
  path,
  field,
  version,
  updatedAt: new Date(updatedAtMs).toISOString(),
  updatedBy,
});

/** No operation reads a secret back; this one only writes. The audit log says which entry, never what. */
export const secretsSet: Handler<'secretsSet'> = async ({ body, realm, actor, write }, services) => {
  const { path, field, value } = body;
  const why = secretPathProblem(path, field, services.prefixes);
  if (why !== null) return problem('secret_ref_refused', why, `write below ${services.prefixes.vault.join(' or ')}`);
  if (value === '') return invalid([{ field: 'value', message: 'the value is empty', hint: null }]);
  const { settings } = await readKeyContext(services.db.prisma, realm);
  const reserved = writableProblem(path, field, settings.apiKey);
  if (reserved !== null) return reserved;
  const entry = await available(() => services.secretsOf(realm).set(path, field, Secret.fromText(value), actor.name));
  if (isProblem(entry)) return entry;
  const done = await write(async () => ({
    value: {},
    records: [],
    audit: [{ target: `secret/${path}#${field}`, after: { version: entry.version } }],
  }));
  return isProblem(done) ? done : { entry: entryOf(entry) };
};

export const secretsList: Handler<'secretsList'> = async ({ query, realm }, services) => {
  const all = await available(() => services.secretsOf(realm).list(query.prefix ?? ''));
  if (isProblem(all)) return all;
  // Sorted by path and field, so the page goes on behind the last pair; NUL is in neither.
  const cursor = query.cursor === undefined ? null : decodeCursor('secretsList', query.cursor);
  if (query.cursor !== undefined && cursor === null)
    return invalid([{ field: 'cursor', message: 'this is not a cursor of this list', hint: null }]);
  const place = ({ path, field }: SecretMetadata): string => `${path}\0${field}`;
  const rest = [...all]
    .sort((a, b) => (place(a) < place(b) ? -1 : 1))
    .filter((entry) => cursor === null || place(entry) > cursor.id);
  const page = rest.slice(0, query.limit);
  const last = page.at(-1);
  const more = rest.length > page.length && last !== undefined;
  return { items: page.map(entryOf), nextCursor: more ? encodeCursor('secretsList', { atMs: 0, id: place(last) }) : null };
};

/** Looks now: the operator asks because something may just have changed. */
export const secretsStatus: Handler<'secretsStatus'> = async ({ realm }, services) => {
  const found = await services.secretsMonitor.check();
  const said = found.ok ? { ok: true, why: null, remedy: null } : found;
  const pepper = await available(() => pepperStatus(services, realm));
  if (!isProblem(pepper)) return { store: services.secretsMonitor.kind, ...said, pepper };
  // The store answers, and the ring does not open: that is the news.
  const why = found.ok ? { ok: false, why: pepper.detail, remedy: pepper.hint } : said;
  return { store: services.secretsMonitor.kind, ...why, pepper: null };
};

async function pepperStatus(services: Services, realm: string): Promise<SecretsStatus['pepper']> {
  const { settings } = await readKeyContext(services.db.prisma, realm);
  const path = vaultPathOf(settings.apiKey);
  const ring = await readPepperRing(services.secretsOf(realm), path);
  if (ring === null) return null;
  const keys = await keysByPepper(services, realm);
  const spread = await services.nodes.secretsSpread(realm, ring.generation);
  return {
    path,
    current: ring.current,
    pending: pendingPepper(ring),
    versions: [...ring.peppers.keys()].sort((a, b) => a - b).map((version) => ({ version, keys: keys.get(version) ?? 0 })),
    spread: { ...spread, pending: [...spread.pending] },
  };
}

const SPREAD_MS = 10_000;

export const secretsRotatePepper: Handler<'secretsRotatePepper'> = async ({ realm, write, waitMs }, services) => {
  const rotated = await available(() => rotatePepper(services, realm, write, waitMs ?? SPREAD_MS));
  return isProblem(rotated) ? rotated : { ...rotated, spread: { ...rotated.spread, pending: [...rotated.spread.pending] } };
};

async function available<T>(ask: () => Promise<T>): Promise<T | Problem> {
  try {
    return await ask();
  } catch (error) {
    const refused = secretStoreProblem(error);
    if (refused === null) throw error;
    return refused;
  }
}
