import type { RealmConfig, RouteSpec, Settings, TierSpec, UpstreamSpec } from '@fluxgate/policy';
import { emptyConfig } from '@fluxgate/protocol/config';
import { decodeConfigEntity, ENTITY, jsonPayload } from '@fluxgate/protocol/sync';
import type { Reader } from '@fluxgate/stores/postgres';

/** Kinds of rows in config_object. Settings and tiers are one object each, under the empty name. */
export const CONFIG_KINDS = {
  settings: 'settings',
  tiers: 'tiers',
  upstream: 'upstream',
  route: 'route',
  oauth2Client: 'oauth2_client',
} as const;

/** The declared configuration of a realm. Rows were judged before they were written. */
export async function readRealmConfig(tx: Reader, realm: string): Promise<RealmConfig> {
  const rows = await tx.configObject.findMany({
    where: { realm, kind: { not: CONFIG_KINDS.oauth2Client } },
    orderBy: [{ createdAt: 'asc' }, { name: 'asc' }],
    select: { kind: true, name: true, spec: true },
  });
  const of = (kind: string): unknown[] => rows.filter((row) => row.kind === kind).map(completed);
  const empty = emptyConfig();
  return {
    settings: { ...empty.settings, ...(of(CONFIG_KINDS.settings)[0] as Partial<Settings> | undefined) },
    tiers: (of(CONFIG_KINDS.tiers)[0] as TierSpec[] | undefined) ?? [],
    upstreams: of(CONFIG_KINDS.upstream) as UpstreamSpec[],
    routes: of(CONFIG_KINDS.route) as RouteSpec[],
  };
}

/** A row that an earlier version wrote, with what this version knows besides: the reader of nodes fills in the same. */
function completed({ kind, name, spec }: { readonly kind: string; readonly name: string; readonly spec: unknown }): unknown {
  const number = kind in ENTITY ? ENTITY[kind as keyof typeof ENTITY] : null;
  const read = number === null ? null : decodeConfigEntity(number, name, jsonPayload(spec));
  return read?.ok === true ? read.value.value : spec;
}

/** Only what key operations need of it. */
export async function readKeyContext(
  tx: Reader,
  realm: string,
): Promise<{ readonly settings: Settings; readonly tiers: readonly TierSpec[] }> {
  const rows = await tx.configObject.findMany({
    where: { realm, kind: { in: [CONFIG_KINDS.settings, CONFIG_KINDS.tiers] } },
    select: { kind: true, spec: true },
  });
  const spec = (kind: string): unknown => rows.find((row) => row.kind === kind)?.spec;
  return {
    settings: { ...emptyConfig().settings, ...(spec(CONFIG_KINDS.settings) as Partial<Settings> | undefined) },
    tiers: (spec(CONFIG_KINDS.tiers) as TierSpec[] | undefined) ?? [],
  };
}

/** Which of these names are routes of the realm. */
export async function knownRoutes(tx: Reader, realm: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const rows = await tx.configObject.findMany({
    where: { realm, kind: CONFIG_KINDS.route, name: { in: [...names] } },
    select: { name: true },
  });
  return new Set(rows.map(({ name }) => name));
}
