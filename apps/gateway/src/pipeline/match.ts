import type { Plan } from '@fluxgate/policy';
import { askedMethod } from './edges.ts';
import type { Exchange, RefusalOrPass } from './exchange.ts';
import type { Programs } from './program.ts';

/** Finds the route by host, longest prefix and method; for a preflight by the method that it asks about. */
export function match(x: Exchange, plan: Plan, programs: Programs): RefusalOrPass {
  const facts = x.facts;
  const asked = plan.anyCors && facts.method === 'OPTIONS' ? askedMethod(facts) : null;
  if (asked !== null) {
    const route = plan.match(facts.host, facts.path, asked).route;
    if (route !== undefined && route.cors !== null) {
      x.route = route;
      x.preflight = true;
      return null;
    }
  }
  const found = plan.match(facts.host, facts.path, facts.method);
  if (found.route === undefined) {
    x.allow = found.allow ?? null;
    x.because = `no route for ${facts.method} ${facts.host} ${facts.path}`;
    return found.refusal;
  }
  x.route = found.route;
  x.program = programs.routes[found.route.index] ?? null;
  if (x.program !== null) return null;
  x.because = `route ${found.route.name} has no program`;
  return 'internal';
}
