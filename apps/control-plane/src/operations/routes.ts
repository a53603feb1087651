import { compilePlan } from '@fluxgate/policy';
import { ENTITY } from '@fluxgate/protocol/sync';
import type { Reader } from '@fluxgate/stores/postgres';
import { problem } from '../problem.ts';
import { readRealmConfig } from '../realm/config.ts';
import { explainRequest } from '../realm/explain.ts';
import { routeView } from '../realm/route-view.ts';
import type { Handler } from './call.ts';

/** The revision in which each route last changed. */
async function revisionsOf(db: Reader, realm: string): Promise<Map<string, number>> {
  const rows = await db.entity.findMany({ where: { realm, kind: ENTITY.route }, select: { id: true, revision: true } });
  return new Map(rows.map(({ id, revision }) => [id, Number(revision)]));
}

export const routesList: Handler<'routesList'> = async ({ realm }, { db }) => {
  const revisions = await revisionsOf(db.prisma, realm);
  const { routes } = compilePlan(await readRealmConfig(db.prisma, realm));
  const items = routes.map((route) => routeView(route, revisions.get(route.name) ?? 0));
  return { items: items.sort((a, b) => (a.name < b.name ? -1 : 1)) };
};

export const routesGet: Handler<'routesGet'> = async ({ realm, params }, { db }) => {
  const name = params['route'] ?? '';
  const { routes } = compilePlan(await readRealmConfig(db.prisma, realm));
  const route = routes.find((one) => one.name === name);
  if (route === undefined)
    return problem('route_not_found', `there is no route "${name.slice(0, 200)}"`, '`fluxctl routes list` shows the names');
  const revisions = await revisionsOf(db.prisma, realm);
  return routeView(route, revisions.get(name) ?? 0);
};

export const routesTest: Handler<'routesTest'> = async ({ realm, body }, { db }) => {
  const plan = compilePlan(await readRealmConfig(db.prisma, realm));
  const { compiled: _, ...test } = explainRequest(plan, body.method, body.url, body.host);
  return test;
};
