import type { KeySets } from './keySets.ts';

export interface CommandOutcome {
  readonly ok: boolean;
  readonly body: unknown;
}

const refused = (why: string): CommandOutcome => ({ ok: false, body: { why } });

/** What the control plane may ask of a node's services: `jwks.status`, `jwks.refresh { issuer? }`, `jwks.evict { issuer, kid? }`. Never rejects. */
export async function runCommand(sets: KeySets, name: string, args: Readonly<Record<string, unknown>>): Promise<CommandOutcome> {
  const issuer = textOrNull(args['issuer']);
  const kid = textOrNull(args['kid']);
  if (issuer === undefined || kid === undefined) return refused('issuer and kid are texts');
  switch (name) {
    case 'jwks.status':
      return { ok: true, body: { sets: sets.status() } };
    case 'jwks.refresh': {
      const asked = await sets.refresh(issuer);
      if (asked === 0 && issuer !== null) return refused('no route of this node takes tokens of this issuer');
      return { ok: true, body: { asked, sets: sets.status() } };
    }
    case 'jwks.evict': {
      if (issuer === null) return refused('evict needs an issuer');
      const asked = sets.evict(issuer, kid);
      return asked === 0
        ? refused('no route of this node takes tokens of this issuer')
        : { ok: true, body: { asked, sets: sets.status() } };
    }
    default:
      return refused('this node knows no such command');
  }
}

/** undefined: neither. */
function textOrNull(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' && value.length <= 2048 ? value : undefined;
}
