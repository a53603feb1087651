import { encodeBase64 } from './base64.ts';
import {
  type BareItem,
  type FieldItem,
  type FieldMember,
  type FieldParameters,
  INTEGER_MAX,
  type InnerList,
  isInnerList,
  KEY_FORM,
  TOKEN_FORM,
} from './structured.ts';

/** RFC 9651 §4.1: the one spelling of a value. Throws a RangeError on data that no structured field can hold: a fault of the caller. */

const UTF8 = new TextEncoder();

function key(name: string): string {
  if (!KEY_FORM.test(name)) throw new RangeError('not a key of a structured field');
  return name;
}

function integer(value: number): string {
  if (!Number.isInteger(value) || Math.abs(value) > INTEGER_MAX) throw new RangeError('not an integer of at most 15 digits');
  return String(value === 0 ? 0 : value);
}

function decimal(value: number): string {
  const scaled = Math.abs(value) * 1000;
  const below = Math.floor(scaled);
  const rest = scaled - below;
  // Half goes to the even neighbour.
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  const whole = Math.floor(rounded / 1000);
  if (!Number.isFinite(value) || whole > 999_999_999_999)
    throw new RangeError('not a decimal of at most 12 digits before the point');
  const fraction = String(rounded % 1000)
    .padStart(3, '0')
    .replace(/0{1,2}$/, '');
  return `${value < 0 && rounded !== 0 ? '-' : ''}${whole}.${fraction}`;
}

function string(value: string): string {
  if (!/^[\x20-\x7e]*$/.test(value)) throw new RangeError('a string holds visible ASCII and blanks');
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

function display(value: string): string {
  let out = '%"';
  for (const byte of UTF8.encode(value)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && byte !== 0x22;
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`;
  }
  return `${out}"`;
}

export function serializeBare(bare: BareItem): string {
  switch (bare.type) {
    case 'integer':
      return integer(bare.value);
    case 'decimal':
      return decimal(bare.value);
    case 'string':
      return string(bare.value);
    case 'token':
      if (!TOKEN_FORM.test(bare.value)) throw new RangeError('not a token');
      return bare.value;
    case 'bytes':
      return `:${encodeBase64(bare.value)}:`;
    case 'boolean':
      return bare.value ? '?1' : '?0';
    case 'date':
      return `@${integer(bare.value)}`;
    case 'display':
      return display(bare.value);
  }
}

export function serializeParameters(parameters: FieldParameters): string {
  let out = '';
  for (const [name, bare] of parameters) {
    out += `;${key(name)}`;
    if (bare.type !== 'boolean' || !bare.value) out += `=${serializeBare(bare)}`;
  }
  return out;
}

export const serializeItem = (item: FieldItem): string => serializeBare(item.bare) + serializeParameters(item.parameters);

export const serializeInnerList = (list: InnerList): string =>
  `(${list.items.map(serializeItem).join(' ')})${serializeParameters(list.parameters)}`;

export const serializeMember = (member: FieldMember): string =>
  isInnerList(member) ? serializeInnerList(member) : serializeItem(member);

export const serializeList = (members: readonly FieldMember[]): string => members.map(serializeMember).join(', ');

export function serializeDictionary(members: ReadonlyMap<string, FieldMember>): string {
  const out: string[] = [];
  for (const [name, member] of members) {
    const isTrue = !isInnerList(member) && member.bare.type === 'boolean' && member.bare.value;
    out.push(key(name) + (isTrue ? serializeParameters(member.parameters) : `=${serializeMember(member)}`));
  }
  return out.join(', ');
}
