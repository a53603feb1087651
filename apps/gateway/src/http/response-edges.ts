import type { CompiledRoute } from '@fluxgate/policy';
import { hashName } from './grammar.ts';

/** What a route changes in its upstream's answers, as the relay needs it: hashes of names that go, lines that come. */
export interface ResponseEdges {
  readonly drop: readonly number[];
  readonly lines: string;
}

const known = new WeakMap<CompiledRoute, ResponseEdges>();

/** null: the route changes nothing. Made once per route of a plan. */
export function responseEdges(route: CompiledRoute): ResponseEdges | null {
  const { cors, responseTransform } = route;
  if (cors === null && responseTransform === null) return null;
  let edges = known.get(route);
  if (edges === undefined) {
    const names = [...(cors?.own ?? []), ...(responseTransform?.drop ?? [])];
    edges = { drop: names.map(hashName), lines: linesOf(responseTransform?.put ?? []) };
    known.set(route, edges);
  }
  return edges;
}

export function linesOf(fields: readonly string[]): string {
  let lines = '';
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return lines;
}
