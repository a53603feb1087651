import { type CompiledCors, compileCors } from './cors.ts';
import type { EdgeLimits, RouteEdges, WebSocketSpec } from './model.ts';
import { type CompiledHeaders, type CompiledRequest, compileHeaders, compileRequest } from './transform.ts';

/** What a route does at its edges, ready to run. null: not used, and nothing to pay for. */
export interface CompiledEdges {
  readonly cors: CompiledCors | null;
  readonly requestTransform: CompiledRequest | null;
  readonly responseTransform: CompiledHeaders | null;
  /** Of the route, else of the realm; null: only the bound of the wire. */
  readonly bodyMaxBytes: number | null;
  readonly websocket: WebSocketSpec | null;
  readonly serverTiming: boolean;
}

export function compileEdges(
  route: RouteEdges & { readonly prefix: string; readonly methods: readonly string[] | null },
  limits: EdgeLimits | null,
  isOwned: (name: string) => boolean,
): CompiledEdges {
  return {
    cors: route.cors === null ? null : compileCors(route.cors, route.methods),
    requestTransform: route.request === null ? null : compileRequest(route.request, route.prefix, isOwned),
    responseTransform: route.response === null ? null : compileHeaders(route.response, 'response', isOwned),
    bodyMaxBytes: route.bodyMaxBytes ?? limits?.bodyBytes ?? null,
    websocket: route.websocket === null ? null : Object.freeze({ ...route.websocket }),
    serverTiming: route.serverTiming,
  };
}
