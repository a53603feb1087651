import { parseDictionary } from '../fields/parse.ts';
import { type BareItem, type InnerList, isInnerList } from '../fields/structured.ts';
import { signatureBase } from './base.ts';
import { type ContentDigest, readContentDigest } from './digest.ts';
import type { SignedMessage } from './message.ts';
import { SIGNATURE_SKEW_S, SIGNATURE_TAG, type SignatureSpec, uncovered } from './rules.ts';

export type SignatureAlgorithm = 'hmac-sha256' | 'ed25519';

/** All that can be known without a key. What is signed is `base`; whether it is, somebody with the key must say. */
export interface ReadSignature {
  readonly ok: true;
  readonly kid: string;
  readonly algorithm: SignatureAlgorithm;
  /** ASCII. */
  readonly base: string;
  readonly signature: Uint8Array;
  readonly nonce: string;
  readonly createdS: number;
  /** From this second on the signature is refused for its age, so its nonce need not be remembered any longer. */
  readonly endsS: number;
  /** The body must have all of these; null: there is no body, and nothing is claimed of one. */
  readonly digests: readonly ContentDigest[] | null;
  /** Lower-case names of the covered fields: what must reach the upstream as it was signed. */
  readonly fields: readonly string[];
}

export interface SignatureFault {
  readonly ok: false;
  readonly code: 'signature_missing' | 'signature_invalid' | 'bad_request';
  readonly why: string;
}

const KID = /^[0-9A-Za-z]{12}$/;
const NONCE_CHARS_MAX = 256;
const FIELD_CHARS_MAX = 8192;
const LENGTH: Readonly<Record<SignatureAlgorithm, number>> = { 'hmac-sha256': 32, ed25519: 64 };

const missing = (why: string): SignatureFault => ({ ok: false, code: 'signature_missing', why });
const malformed = (why: string): SignatureFault => ({ ok: false, code: 'bad_request', why });
const invalid = (why: string): SignatureFault => ({ ok: false, code: 'signature_invalid', why });

/** RFC 9421 §3.2, but for the key: which signature is meant, whether it covers enough, whether its time has come and not passed. */
export function readSignature(message: SignedMessage, spec: SignatureSpec, nowMs: number): ReadSignature | SignatureFault {
  const chosen = choose(message.fieldValues('signature-input'), message.fieldValues('signature'));
  if (!chosen.ok) return chosen;
  const { input, signature } = chosen;

  const kid = textOf(input, 'keyid');
  const algorithm = textOf(input, 'alg');
  const nonce = textOf(input, 'nonce');
  const created = input.parameters.get('created');
  const expires = input.parameters.get('expires');
  if (kid === null || !KID.test(kid)) return invalid('keyid is no key id of this gateway');
  if (algorithm !== 'hmac-sha256' && algorithm !== 'ed25519') return invalid('alg is neither hmac-sha256 nor ed25519');
  if (nonce === null || nonce === '' || nonce.length > NONCE_CHARS_MAX)
    return invalid('there is no nonce of 1 to 256 characters');
  if (created?.type !== 'integer') return invalid('created is missing');
  if (expires !== undefined && expires.type !== 'integer') return invalid('expires is no time');
  if (signature.length !== LENGTH[algorithm]) return invalid(`a signature of ${signature.length} bytes`);

  const nowS = nowMs / 1000;
  const oldestS = created.value + Math.ceil(spec.maxAgeMs / 1000) + SIGNATURE_SKEW_S;
  const endsS = expires === undefined ? oldestS : Math.min(oldestS, expires.value);
  if (created.value > nowS + SIGNATURE_SKEW_S) return invalid('created lies in the future: the clocks differ');
  if (nowS >= endsS) return invalid(nowS >= oldestS ? 'created too long ago' : 'expired');

  const lacking = uncovered(plainNames(input), spec, message);
  if (lacking !== null) return invalid(`${lacking} is not covered`);
  const base = signatureBase(message, input);
  if (!base.ok) return invalid(base.why);

  let digests: readonly ContentDigest[] | null = null;
  if (message.hasBody || plainNames(input).has('content-digest')) {
    const read = readContentDigest(message.fieldValues('content-digest'));
    if (!read.ok) return malformed(read.why);
    digests = read.value;
  }
  const fields = input.items.flatMap(({ bare }) => (bare.type === 'string' && !bare.value.startsWith('@') ? [bare.value] : []));
  return { ok: true, kid, algorithm, base: base.value, signature, nonce, createdS: created.value, endsS, digests, fields };
}

interface Chosen {
  readonly ok: true;
  readonly input: InnerList;
  readonly signature: Uint8Array;
}

/** Of several signatures the one that is meant for us: by its tag, else by a keyid that looks like ours. Two of those: nobody can tell. */
function choose(inputs: readonly string[], signatures: readonly string[]): Chosen | SignatureFault {
  if (inputs.length === 0 && signatures.length === 0) return missing('no Signature and no Signature-Input');
  const inputText = inputs.join(', ');
  const signatureText = signatures.join(', ');
  if (inputText.length + signatureText.length > FIELD_CHARS_MAX) return malformed('the signature fields are too long');
  const described = parseDictionary(inputText);
  if (!described.ok) return malformed(`Signature-Input: ${described.why}`);
  const given = parseDictionary(signatureText);
  if (!given.ok) return malformed(`Signature: ${given.why}`);

  const all: { readonly label: string; readonly input: InnerList }[] = [];
  for (const [label, input] of described.value) {
    if (!isInnerList(input)) return malformed(`Signature-Input: ${label} is no inner list`);
    all.push({ label, input });
  }
  const tagged = all.filter(({ input }) => textOf(input, 'tag') === SIGNATURE_TAG);
  const ours = tagged.length > 0 ? tagged : all.filter(({ input }) => KID.test(textOf(input, 'keyid') ?? ''));
  const [one] = ours;
  if (ours.length > 1) return malformed(`${ours.length} signatures claim to be for this gateway`);
  if (one === undefined)
    return all.length === 0 ? malformed('Signature-Input is empty') : missing('no signature with a keyid of this gateway');
  const member = given.value.get(one.label);
  if (member === undefined) return malformed(`Signature has no ${one.label}`);
  if (isInnerList(member) || member.bare.type !== 'bytes') return malformed(`Signature: ${one.label} is no byte sequence`);
  return { ok: true, input: one.input, signature: member.bare.value };
}

function textOf(input: InnerList, name: string): string | null {
  const bare: BareItem | undefined = input.parameters.get(name);
  return bare?.type === 'string' ? bare.value : null;
}

/** Only a component without parameters covers all of what it names. */
function plainNames(input: InnerList): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { bare, parameters } of input.items) if (bare.type === 'string' && parameters.size === 0) names.add(bare.value);
  return names;
}
