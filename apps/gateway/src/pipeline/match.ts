import type { CompiledRoute, Plan } from '@fluxgate/policy';
import type { RequestFacts } from '../seam.ts';
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
  const other = facts.method === 'GET' || facts.method === 'HEAD' ? null : overriding(facts, plan, found.route);
  if (other !== null) {
    x.allow = facts.method;
    x.because = `asks to be taken for ${other.slice(0, 40)}, which is another route or none`;
    return 'method_not_allowed';
  }
  x.program = programs.routes[found.route.index] ?? null;
  if (x.program !== null) return null;
  x.because = `route ${found.route.name} has no program`;
  return 'internal';
}

/** Where back ends that let a POST stand for another method look for that (their spellings with other marks end at the wire). */
const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const;

/** A method that the upstream may go by and that would not have been let in by this route; null: there is none. */
function overriding(facts: RequestFacts, plan: Plan, route: CompiledRoute): string | null {
  for (const name of OVERRIDES)
    for (const value of facts.headerValues(name)) {
      const method = value.toUpperCase();
      if (method !== facts.method && plan.match(facts.host, facts.path, method).route !== route) return method;
    }
  return null;
}
