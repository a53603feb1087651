import { hashName } from './grammar.ts';
import type { Target } from './target.ts';
import type { Member, UpstreamRuntime } from './upstream-directory.ts';

/**
 * The member that gets the next exchange, or null if no circuit is closed. Unhealthy members are left out while others are
 * healthy; when all are, the check is more likely to be wrong than everything behind it, and all are tried.
 */
export function pickMember(runtime: UpstreamRuntime, clientText: string, not: Target | null): Member | null {
  const { members } = runtime;
  if (members.length === 1) return usableAtLast(members[0]!) ? members[0]! : null;
  let usable = members.filter((member) => member.target.available && member.target !== not);
  const healthy = usable.filter((member) => member.target.healthy);
  if (healthy.length > 0) usable = healthy;
  if (usable.length === 0) usable = members.filter((member) => member.target !== not && usableAtLast(member));
  if (usable.length === 0) return null;
  switch (runtime.spec.balance) {
    case 'least_requests':
      return least(usable);
    case 'consistent_hash':
      return byHash(usable, clientText);
    default:
      return inTurn(runtime, usable);
  }
}

const usableAtLast = ({ target }: Member): boolean => target.available || target.lastResort;

/** Smooth weighted round robin (as nginx): a heavy target's turns are spread, not bunched. */
function inTurn(runtime: UpstreamRuntime, usable: readonly Member[]): Member {
  const { members, current } = runtime;
  let total = 0;
  let best = -1;
  for (let i = 0; i < members.length; i++) {
    const member = members[i]!;
    if (!usable.includes(member)) continue;
    total += member.spec.weight;
    current[i]! += member.spec.weight;
    if (best < 0 || current[i]! > current[best]!) best = i;
  }
  current[best]! -= total;
  return members[best]!;
}

function least(usable: readonly Member[]): Member {
  let best = usable[0]!;
  for (const member of usable)
    if ((member.target.load + 1) * best.spec.weight < (best.target.load + 1) * member.spec.weight) best = member;
  return best;
}

/** Weighted rendezvous hashing of the client's address: a target that leaves moves its own clients only. */
function byHash(usable: readonly Member[], key: string): Member {
  let best = usable[0]!;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const member of usable) {
    let hash = hashName(member.spec.url);
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 16;
    const unit = ((hash >>> 0) + 0.5) / 4_294_967_296;
    const score = -member.spec.weight / Math.log(unit);
    if (score > bestScore) {
      bestScore = score;
      best = member;
    }
  }
  return best;
}
