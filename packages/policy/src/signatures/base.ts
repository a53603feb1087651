import { encodeBase64 } from '../fields/base64.ts';
import { parseDictionary } from '../fields/parse.ts';
import { serializeInnerList, serializeItem, serializeMember } from '../fields/serialize.ts';
import type { FieldItem, FieldReading, InnerList } from '../fields/structured.ts';
import type { SignedMessage } from './message.ts';

/** Far more than anyone signs; a bound on the work that a stranger can ask for. */
export const COMPONENTS_MAX = 64;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const ASCII = /^[\x20-\x7e\t]*$/;

const refused = (why: string): { readonly ok: false; readonly why: string } => ({ ok: false, why });
const value = (text: string): FieldReading<string> => ({ ok: true, value: text });

/**
 * The signature base of RFC 9421 §2.5: one line for each covered component, then the parameters as they are serialised, not as they
 * were spelled. A component that the request does not have, is named twice or carries a parameter that is not understood here ends it.
 */
export function signatureBase(message: SignedMessage, covered: InnerList): FieldReading<string> {
  if (covered.items.length > COMPONENTS_MAX) return refused(`more than ${COMPONENTS_MAX} covered components`);
  const seen = new Set<string>();
  let base = '';
  for (const item of covered.items) {
    if (item.bare.type !== 'string') return refused('a covered component is not named by a string');
    const name = serializeItem(item);
    // Parameters in another order are the same component.
    const identity = serializeItem({ bare: item.bare, parameters: new Map([...item.parameters].sort(byName)) });
    if (seen.has(identity)) return refused(`${name} is covered twice`);
    seen.add(identity);
    const found = componentValue(message, item.bare.value, item);
    if (!found.ok) return refused(`${name}: ${found.why}`);
    if (!ASCII.test(found.value)) return refused(`${name}: its value is not ASCII`);
    base += `${name}: ${found.value}\n`;
  }
  return value(`${base}"@signature-params": ${serializeInnerList(covered)}`);
}

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number => (a[0] < b[0] ? -1 : 1);

function componentValue(message: SignedMessage, name: string, item: FieldItem): FieldReading<string> {
  if (!name.startsWith('@')) return fieldValue(message, name, item);
  if (name === '@query-param') return queryParameter(message, item);
  if (item.parameters.size > 0) return refused('a parameter that is not understood');
  switch (name) {
    case '@method':
      return value(message.method);
    case '@scheme':
      return value(message.scheme);
    case '@authority':
      return value(message.authority);
    case '@target-uri':
      return value(`${message.scheme}://${message.authority}${message.target}`);
    case '@request-target':
      return value(message.target);
    case '@path':
      return value(message.path);
    case '@query':
      return value(`?${message.query}`);
    default:
      return refused('no component of a request');
  }
}

/** RFC 9421 §2.1. `sf` would need the type of every field, `tr` and `req` have no meaning here: refused rather than guessed. */
function fieldValue(message: SignedMessage, name: string, item: FieldItem): FieldReading<string> {
  if (!FIELD_NAME.test(name)) return refused('not the name of a field in lower case');
  const values = message.fieldValues(name);
  if (values.length === 0) return refused('the field is not there');
  const [only] = item.parameters;
  if (only === undefined) return value(values.join(', '));
  const [parameter, given] = only;
  if (item.parameters.size > 1) return refused('parameters that are not understood together');
  if (parameter === 'bs' && given.type === 'boolean' && given.value) {
    const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
    return value(values.map((text) => `:${encodeBase64(bytes(text))}:`).join(', '));
  }
  if (parameter !== 'key' || given.type !== 'string') return refused('a parameter that is not understood');
  const dictionary = parseDictionary(values.join(', '));
  if (!dictionary.ok) return refused(`not a dictionary: ${dictionary.why}`);
  const member = dictionary.value.get(given.value);
  return member === undefined ? refused('the dictionary has no such key') : value(serializeMember(member));
}

/** RFC 9421 §2.2.8: read as a form, written with `%20`; a name that occurs twice has no single value. */
function queryParameter(message: SignedMessage, item: FieldItem): FieldReading<string> {
  const name = item.parameters.get('name');
  if (item.parameters.size !== 1 || name?.type !== 'string') return refused('needs the parameter `name` and no other');
  const found = [...new URLSearchParams(message.query)].filter(([key]) => formText(key) === name.value);
  const [only] = found;
  if (only === undefined || found.length > 1) return refused(`${found.length} query parameters of that name`);
  return value(formText(only[1]));
}

const formText = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replace(/[!'()~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
