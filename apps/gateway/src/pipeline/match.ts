import type { Plan } from '@fluxgate/policy';
import type { Exchange, RefusalOrPass } from './exchange.ts';
import type { Programs } from './program.ts';

/** Finds the route by host, longest prefix and method. */
export function match(x: Exchange, plan: Plan, programs: Programs): RefusalOrPass {
  const facts = x.facts;
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
