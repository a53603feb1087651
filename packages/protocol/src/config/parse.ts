import type { RouteSpec, Settings, TierSpec, UpstreamSpec } from '@fluxgate/policy';
import { GATEWAY } from './blocks/gateway.ts';
import { ROUTE } from './blocks/route.ts';
import type { ConfigFile, ObjectKind, ParsedConfig, Place } from './input.ts';
import { fileAway, fileObject } from './positions.ts';
import { createReport, nearest, quoted, type Report } from './report.ts';
import { type Cursor, cursor } from './schema.ts';
import { type MapTree, readDocuments } from './tree.ts';

/**
 * Reads any number of files of any number of documents. Never throws for what a file holds and never stops at the first
 * mistake; with an error among the diagnostics the input is incomplete and must not be applied.
 */
export function parseConfig(files: readonly ConfigFile[]): ParsedConfig {
  const report = createReport(files);
  const collected = createCollection(report);
  for (const file of files) {
    const documents = readDocuments(file, report);
    if (file.text.trim() === '') report.warn({ file: file.name, line: 1, column: 1 }, 'empty_file', 'the file is empty');
    for (const document of documents) readDocument(document, collected, report);
  }
  return { input: collected.input(), diagnostics: report.diagnostics(), positions: collected.positions };
}

function readDocument(document: MapTree, collected: Collection, report: Report): void {
  const keys = document.entries.map((entry) => entry.key);
  const at = cursor(report);
  if (keys.includes('route')) {
    const errorsBefore = report.errorCount();
    const route = ROUTE.read(document, at);
    // A route that was half understood is left out: judged on, it would seem more open than it was meant.
    if (route !== undefined) collected.addRoute(route, at, report.errorCount() === errorsBefore);
  } else if (keys.some((key) => key in GATEWAY.fields || FOREIGN.includes(key))) {
    const gateway = GATEWAY.read(document, at);
    if (gateway !== undefined) collected.addGateway(gateway, at);
  } else if (keys.length > 0) refuseDocument(document, keys, report);
}

/** Fields of no FluxGate document, by which other gateways' files are known; answered field by field. */
const FOREIGN = ['_format_version', 'services', 'consumers', 'plugins', 'routes', 'auth'];

function refuseDocument(document: MapTree, keys: readonly string[], report: Report): void {
  const isRoute = keys.some((key) => key in ROUTE.fields);
  const near = keys
    .map((key) => ({ key, name: nearest(key, ['route', 'fluxgate', 'upstreams', 'tiers', 'listeners']) }))
    .find(({ name }) => name !== null);
  const remedy = near
    ? `did you mean \`${near.name}\` for ${quoted(near.key)}?`
    : isRoute
      ? 'a route document has `route: /path`'
      : 'start it with `fluxgate:` or `route: /path`';
  const held = keys.slice(0, 5).map(quoted).join(', ');
  report.error(
    document.at,
    'unknown_document',
    `this document is neither a gateway document nor a route: it holds ${held}`,
    remedy,
  );
}

type Gateway = Parameters<typeof GATEWAY.write>[0];
type Collection = ReturnType<typeof createCollection>;

/** What all documents said so far. Two documents that say the same thing are a mistake: the order of files decides nothing. */
function createCollection(report: Report) {
  const positions = new Map<string, Place>();
  const settings: { -readonly [K in keyof Settings]?: Settings[K] } = {};
  const upstreams: UpstreamSpec[] = [];
  const routes: RouteSpec[] = [];
  let tiers: { list: readonly TierSpec[]; place: Place | undefined } | null = null;

  const isFirst = (first: Place | null, second: Place | undefined, what: string, remedy: string): boolean => {
    if (first === null || second === undefined) return true;
    const where = first.file === second.file ? `on line ${first.line}` : `in ${first.file}, line ${first.line}`;
    report.error(second, 'duplicate_object', `${what} is given a second time; the first is ${where}`, remedy);
    return false;
  };
  const adopt = (kind: ObjectKind, name: string, from: readonly string[], at: Cursor, what: string): boolean => {
    const base = kind === 'settings' ? from.filter((segment) => segment !== 'fluxgate') : [];
    return isFirst(
      fileAway(positions, { kind, name, base }, at.marks, from),
      at.marks.get(from.join('\0')),
      what,
      'keep one of the two',
    );
  };
  /** One part of the settings, if the document gives it. */
  const set = <K extends keyof Settings>(
    part: K,
    value: Settings[K] | null | undefined,
    from: readonly string[],
    at: Cursor,
  ): void => {
    // A block that was refused gets its places, too: what follows from its absence is then no finding of its own.
    if (!at.marks.has(from.join('\0')) || !adopt('settings', '', from, at, `\`${from.join('.')}\``)) return;
    if (value !== null && value !== undefined) settings[part] = value;
  };

  return {
    positions,
    input: () => ({ settings, upstreams, tiers: tiers?.list ?? null, routes }),
    addRoute: (route: RouteSpec, at: Cursor, isWhole: boolean): void => {
      const first = fileAway(positions, { kind: 'route', name: route.name, base: [] }, at.marks, []);
      const start = at.marks.get('route');
      if (first === null && start !== undefined) fileObject(positions, 'route', route.name, start);
      if (isFirst(first, start, `the route ${quoted(route.name)}`, 'keep one, or give one of them another `name`') && isWhole)
        routes.push(route);
    },
    addGateway: (gateway: Gateway, at: Cursor): void => {
      set('publicUrl', gateway.fluxgate?.public_url, ['fluxgate', 'public_url'], at);
      set('trustedProxies', gateway.fluxgate?.trusted_proxies, ['fluxgate', 'trusted_proxies'], at);
      set('limits', gateway.fluxgate?.limits, ['fluxgate', 'limits'], at);
      set('apiKey', gateway.fluxgate?.auth?.api_key, ['fluxgate', 'auth', 'api_key'], at);
      set('jwt', gateway.fluxgate?.auth?.jwt, ['fluxgate', 'auth', 'jwt'], at);
      set('oauth2', gateway.fluxgate?.auth?.oauth2, ['fluxgate', 'auth', 'oauth2'], at);
      set('listeners', gateway.listeners, ['listeners'], at);
      const whole = new Map((gateway.upstreams ?? []).map((one) => [one.name, one]));
      // Refused ones get their places, too: a route that uses one is then not told that it does not exist.
      for (const name of namesUnder(at, 'upstreams')) {
        const one = adopt('upstream', name, ['upstreams', name], at, `the upstream ${quoted(name)}`)
          ? whole.get(name)
          : undefined;
        if (one !== undefined) upstreams.push(one);
      }
      if (gateway.tiers === null) return;
      const place = at.marks.get('tiers');
      if (!isFirst(tiers?.place ?? null, place, '`tiers`', 'keep all tiers in one list: its order decides')) return;
      for (const one of gateway.tiers)
        fileAway(positions, { kind: 'tier', name: one.name, base: [] }, at.marks, ['tiers', one.name]);
      tiers = { list: gateway.tiers, place };
    },
  };
}

function namesUnder(at: Cursor, field: string): string[] {
  const paths = [...at.marks.keys()].map((path) => path.split('\0'));
  return paths.flatMap(([outer, name, ...deeper]) =>
    outer === field && name !== undefined && deeper.length === 0 ? [name] : [],
  );
}
