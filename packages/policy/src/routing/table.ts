import { routingPath } from './target.ts';

/** What the table needs to know of a route; it is generic in what it finds. */
export interface RouteKey {
  readonly name: string;
  /** Canonical prefix. */
  readonly prefix: string;
  readonly host: string | null;
  readonly methods: readonly string[] | null;
}

/** `in` and property checks both tell the two apart. */
export type RouteMatch<R> =
  | { readonly route: R; readonly refusal?: undefined; readonly allow?: undefined }
  | { readonly route?: undefined; readonly refusal: 'no_route' | 'method_not_allowed'; readonly allow?: string };

export interface RouteExplanation<R> {
  readonly match: RouteMatch<R>;
  /** Routes whose prefix, host or method also fits in part, nearest first, and why each lost. */
  readonly others: readonly { readonly route: R; readonly why: string }[];
}

export interface RouteTable<R> {
  /** `host` lower case without port, `path` canonical, `method` as sent. Results are shared and frozen: nothing is made per request. */
  match(host: string, path: string, method: string): RouteMatch<R>;
  explain(host: string, path: string, method: string): RouteExplanation<R>;
}

/** Routes of one prefix and one host, split by method. */
interface Group<R> {
  readonly routes: { readonly key: RouteKey; readonly route: R }[];
  readonly byMethod: Map<string, RouteMatch<R>>;
  anyMethod: RouteMatch<R> | null;
  refused: RouteMatch<R> | null;
}
interface Node<R> {
  readonly children: Map<string, Node<R>>;
  anyHost: Group<R> | null;
  byHost: Map<string, Group<R>> | null;
}

const NO_ROUTE: RouteMatch<never> = Object.freeze({ refusal: 'no_route' as const });

const newNode = <R>(): Node<R> => ({ children: new Map(), anyHost: null, byHost: null });
const newGroup = <R>(): Group<R> => ({ routes: [], byMethod: new Map(), anyMethod: null, refused: null });

function groupAt<R>(node: Node<R>, host: string | null): Group<R> {
  if (host === null) {
    node.anyHost ??= newGroup();
    return node.anyHost;
  }
  node.byHost ??= new Map();
  let group = node.byHost.get(host);
  if (group === undefined) {
    group = newGroup();
    node.byHost.set(host, group);
  }
  return group;
}

function add<R>(group: Group<R>, key: RouteKey, route: R): void {
  group.routes.push({ key, route });
  const found: RouteMatch<R> = Object.freeze({ route });
  // The first of two that claim the same method stays; judgeConfig calls the second a duplicate.
  if (key.methods === null) group.anyMethod ??= found;
  else for (const method of key.methods) if (!group.byMethod.has(method)) group.byMethod.set(method, found);
}

/** A segment trie: one map look-up per segment, as deep as routes go and no deeper, whatever the number of routes. */
export function buildRouteTable<R>(routes: readonly { readonly key: RouteKey; readonly route: R }[]): RouteTable<R> {
  const root = newNode<R>();
  for (const { key, route } of routes) {
    let node = root;
    for (const segment of segmentsOf(key.prefix)) {
      let child = node.children.get(segment);
      if (child === undefined) {
        child = newNode();
        node.children.set(segment, child);
      }
      node = child;
    }
    add(groupAt(node, key.host), key, route);
  }
  seal(root);
  return Object.freeze({
    match: (host: string, path: string, method: string) => matchIn(root, host, path, method),
    explain: (host: string, path: string, method: string) => explainIn(root, host, path, method, routes),
  });
}

function segmentsOf(prefix: string): string[] {
  const folded = routingPath(prefix);
  return folded === '/' ? [] : folded.slice(1).split('/');
}

/** The 405 of each group, made once. */
function seal<R>(node: Node<R>): void {
  for (const group of [node.anyHost, ...(node.byHost?.values() ?? [])]) {
    if (group !== null)
      group.refused = Object.freeze({ refusal: 'method_not_allowed', allow: [...group.byMethod.keys()].sort().join(', ') });
  }
  for (const child of node.children.values()) seal(child);
}

function groupFor<R>(node: Node<R>, host: string): Group<R> | null {
  return node.byHost?.get(host) ?? node.anyHost;
}

/** The group of the longest prefix; of the exact host where prefixes tie. */
function findGroup<R>(root: Node<R>, host: string, path: string): Group<R> | null {
  const text = routingPath(path);
  let node: Node<R> | undefined = root;
  let best = groupFor(root, host);
  let from = 1;
  while (from < text.length && node.children.size > 0) {
    const slash = text.indexOf('/', from);
    const to = slash < 0 ? text.length : slash;
    node = node.children.get(text.substring(from, to));
    if (node === undefined) break;
    best = groupFor(node, host) ?? best;
    from = to + 1;
  }
  return best;
}

function matchIn<R>(root: Node<R>, host: string, path: string, method: string): RouteMatch<R> {
  const group = findGroup(root, host, path);
  if (group === null) return NO_ROUTE;
  return group.byMethod.get(method) ?? group.anyMethod ?? (group.refused as RouteMatch<R>);
}

const covers = (prefix: string, path: string): boolean => prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);

function explainIn<R>(
  root: Node<R>,
  host: string,
  path: string,
  method: string,
  routes: readonly { readonly key: RouteKey; readonly route: R }[],
): RouteExplanation<R> {
  const match = matchIn(root, host, path, method);
  const group = findGroup(root, host, path);
  const winner = group?.routes[0]?.key ?? null;
  const text = routingPath(path);
  const others: { readonly route: R; readonly why: string; readonly length: number }[] = [];
  for (const { key, route } of routes) {
    if (route === match.route) continue;
    const prefix = routingPath(key.prefix);
    if (!covers(prefix, text)) {
      if (text.startsWith(prefix)) {
        others.push({
          route,
          length: prefix.length,
          why: `${key.prefix} ends inside a segment of the path; prefixes match whole segments`,
        });
      }
      continue;
    }
    others.push({ route, length: prefix.length, why: whyLost(key, winner, host, method, match) });
  }
  others.sort((a, b) => b.length - a.length);
  return { match, others: others.map(({ route, why }) => ({ route, why })) };
}

function whyLost<R>(key: RouteKey, winner: RouteKey | null, host: string, method: string, match: RouteMatch<R>): string {
  if (key.host !== null && key.host !== host)
    return `only for host ${key.host}, the request is for ${host === '' ? 'none' : host}`;
  if (winner === null) return 'not considered';
  if (winner.prefix.length > key.prefix.length) return `a longer prefix matches: ${winner.prefix}`;
  if (winner.host !== null && key.host === null) return `a route for exactly ${winner.host} has the same prefix`;
  if (key.methods !== null && !key.methods.includes(method)) return `takes ${key.methods.join(', ')}, not ${method}`;
  if (match.route !== undefined) return `another route of the same prefix names ${method}`;
  return 'not considered';
}
