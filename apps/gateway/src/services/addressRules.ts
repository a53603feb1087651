import { type Address, type CidrSet, compileCidrs, parseAddress, parseCidr } from '@fluxgate/policy';

/** Where an address leads, as far as a fetch at somebody else's word is concerned. */
export type AddressKind = 'public' | 'private' | 'loopback' | 'forbidden';

const set = (...ranges: string[]): CidrSet => compileCidrs(ranges.flatMap((range) => parseCidr(range) ?? []));

/** Link-local, multicast, nowhere, and the addresses at which clouds hand out credentials of the machine. Never fetched from. */
const FORBIDDEN = set(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  '2002::/16',
);
const LOOPBACK = set('127.0.0.0/8', '::1/128');
const PRIVATE = set(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '192.0.0.0/24',
  '198.18.0.0/15',
  'fc00::/7',
);
const NAT64 = set('64:ff9b::/96');

export function addressKind(text: string): AddressKind {
  const address = parseAddress(text);
  if (address === null) return 'forbidden'; // also one with a zone: those are link-local
  return kindOf(NAT64.has(address) ? [0, 0, 0xffff, address[3]] : address);
}

function kindOf(address: Address): AddressKind {
  if (FORBIDDEN.has(address)) return 'forbidden';
  if (LOOPBACK.has(address)) return 'loopback';
  return PRIVATE.has(address) ? 'private' : 'public';
}

/** What the configured URL itself leads to decides where it may lead on to: nothing public can send the node into its own network. */
export interface Reach {
  readonly private: boolean;
  readonly loopback: boolean;
  /** The configured URL is plain http: its own origin may be, too. null: it is https. */
  readonly plainOrigin: string | null;
}

export const PUBLIC_ONLY: Reach = { private: false, loopback: false, plainOrigin: null };

export function mayReach(kind: AddressKind, reach: Reach): boolean {
  return kind === 'public' || (kind === 'private' && reach.private) || (kind === 'loopback' && reach.loopback);
}

/** A host written as an address, or a name that always means this machine. */
export function isLoopbackHost(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare.endsWith('.localhost') || addressKind(bare) === 'loopback';
}
