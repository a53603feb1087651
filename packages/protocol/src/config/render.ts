import type { RealmConfig } from '@fluxgate/policy';
import { Document, isCollection, isMap, isPair, isScalar, isSeq, type Node, visit } from 'yaml';
import { GATEWAY, gatewayOf } from './blocks/gateway.ts';
import { ROUTE } from './blocks/route.ts';
import type { Plain } from './schema.ts';

const FLOW_CHARS_MAX = 90;

/**
 * The configuration as files would say it: one gateway document, one document per route. Settings are written out, so that
 * the file means the same under later defaults; upstreams and routes leave out what is the default.
 * `mergeConfig(emptyConfig(), parseConfig(renderConfig(c)).input)` equals `c`.
 */
export function renderConfig(config: RealmConfig): string {
  const { upstreams, ...rest } = gatewayOf(config);
  const gateway = new Map(GATEWAY.write({ ...rest, upstreams: null }, 'explicit'));
  const terse = GATEWAY.write({ ...rest, fluxgate: null, listeners: null, tiers: null, upstreams }, 'terse');
  for (const [name, plain] of terse) if (name === 'upstreams') gateway.set(name, plain);
  return [gateway, ...config.routes.map((route) => ROUTE.write(route, 'terse'))].map(document).join('---\n');
}

function document(plain: ReadonlyMap<string, Plain>): string {
  const yaml = new Document(plain, { version: '1.2', schema: 'core', aliasDuplicateObjects: false });
  visit(yaml, {
    Collection: (_key, node, path) => {
      if (path.length > 2 && isSmall(node)) node.flow = true;
    },
  });
  return yaml.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** Fits on a line and holds nothing deeper than a list or map of single values. */
function isSmall(node: Node): boolean {
  const sizes = { chars: 0, depth: 0 };
  measure(node, 1, sizes);
  return sizes.depth <= 2 && sizes.chars <= FLOW_CHARS_MAX;
}

function measure(node: unknown, depth: number, sizes: { chars: number; depth: number }): void {
  if (isScalar(node)) sizes.chars += String(node.value).length + 2;
  else if (isPair(node)) {
    measure(node.key, depth, sizes);
    measure(node.value, depth, sizes);
  } else if (isCollection(node)) {
    sizes.depth = Math.max(sizes.depth, depth);
    sizes.chars += 4;
    if (isMap(node) || isSeq(node)) for (const item of node.items) measure(item, depth + 1, sizes);
  }
}
