import { type JwksOnNodes, JwksSet } from '@fluxgate/protocol/admin';
import { z } from 'zod';
import { isProblem, problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Handler } from './call.ts';

/** Nodes answer within a fetch or two (5 s each), or are said not to have answered. */
const COMMAND_MS = 12_000;
const Told = z.object({ sets: z.array(JwksSet) });
const Refused = z.object({ why: z.string().max(500) });

export const jwksStatus: Handler<'jwksStatus'> = async ({ realm }, services) => ask(services, realm, 'jwks.status', {});

export const jwksRefresh: Handler<'jwksRefresh'> = async ({ realm, body, write }, services) => {
  const result = await ask(services, realm, 'jwks.refresh', body);
  if (result.items.length === 0) return noNode();
  const done = await write(async () => ({
    value: {},
    records: [],
    audit: [{ target: `jwks/${body.issuer ?? '*'}`, after: { nodes: result.items.map((one) => one.node) } }],
  }));
  return isProblem(done) ? done : result;
};

export const jwksEvict: Handler<'jwksEvict'> = async ({ realm, body, write }, services) => {
  const result = await ask(services, realm, 'jwks.evict', body);
  if (result.items.length === 0) return noNode();
  const done = await write(async () => ({
    value: {},
    records: [],
    audit: [
      {
        target: `jwks/${body.issuer}`,
        after: { kid: body.kid, nodes: result.items.filter((one) => one.ok).map((one) => one.node) },
      },
    ],
  }));
  return isProblem(done) ? done : result;
};

const noNode = () => problem('no_node', 'no gateway node is connected to this control plane', 'look at `fluxctl nodes list`');

async function ask({ nodes }: Services, realm: string, name: string, args: object): Promise<JwksOnNodes> {
  const [answers, all] = await Promise.all([
    nodes.command(realm, name, args as Readonly<Record<string, never>>, COMMAND_MS),
    nodes.list(realm),
  ]);
  const items = [...answers].map(([node, { ok, body }]) => {
    const told = ok ? Told.safeParse(body) : null;
    if (told?.success === true) return { node, ok: true, why: null, sets: told.data.sets };
    const refused = Refused.safeParse(body);
    return { node, ok: false, why: refused.success ? refused.data.why : 'its answer was not understood', sets: [] };
  });
  items.sort((a, b) => (a.node < b.node ? -1 : 1));
  const unreached = all.filter((one) => one.state !== 'offline' && !answers.has(one.name)).map((one) => one.name);
  return { items, unreached };
}
