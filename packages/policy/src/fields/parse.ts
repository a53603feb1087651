import { decodeBase64 } from './base64.ts';
import {
  type BareItem,
  type FieldItem,
  type FieldMember,
  type FieldParameters,
  type FieldReading,
  INTEGER_MAX,
  type InnerList,
} from './structured.ts';

/**
 * The parsing algorithms of RFC 9651 §4.2, to the letter: what they fail on is refused as a whole. Several field lines are joined
 * with `, ` by the caller. The text is read once, left to right, and nothing in it is trusted to be short.
 */

/** Inside only; every public function turns it into a value. */
class Malformed extends Error {}

const fail = (why: string): never => {
  throw new Malformed(why);
};

const isDigit = (char: string): boolean => char >= '0' && char <= '9';
const isLower = (char: string): boolean => char >= 'a' && char <= 'z';
const isAlpha = (char: string): boolean => isLower(char) || (char >= 'A' && char <= 'Z');
const TOKEN_MORE = "!#$%&'*+-.^_`|~:/";
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isDone(): boolean {
    return this.#at >= this.#text.length;
  }

  /** The next character, not taken; empty at the end. */
  get next(): string {
    return this.#text.charAt(this.#at);
  }

  isNext(char: string): boolean {
    return this.next === char;
  }

  take(): string {
    const char = this.#text.charAt(this.#at);
    this.#at += 1;
    return char;
  }

  skipSpaces(): void {
    while (this.next === ' ') this.#at += 1;
  }

  /** Optional white space: blanks and tabs, only between members. */
  skipWhite(): void {
    while (this.next === ' ' || this.next === '\t') this.#at += 1;
  }

  takeWhile(fits: (char: string) => boolean): string {
    const from = this.#at;
    while (!this.isDone && fits(this.next)) this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  key(): string {
    if (!isLower(this.next) && this.next !== '*') fail('a key does not begin with a lower-case letter or *');
    return this.takeWhile((char) => isLower(char) || isDigit(char) || (char !== '' && '_-.*'.includes(char)));
  }

  member(): FieldMember {
    return this.next === '(' ? this.innerList() : this.item();
  }

  innerList(): InnerList {
    this.take();
    const items: FieldItem[] = [];
    for (;;) {
      this.skipSpaces();
      if (this.next === ')') {
        this.take();
        return { items, parameters: this.parameters() };
      }
      if (this.isDone) fail('an inner list does not end');
      items.push(this.item());
      if (this.next !== ' ' && this.next !== ')') fail('items of an inner list are not separated by a blank');
    }
  }

  item(): FieldItem {
    const bare = this.bare();
    return { bare, parameters: this.parameters() };
  }

  parameters(): FieldParameters {
    const found = new Map<string, BareItem>();
    while (this.isNext(';')) {
      this.take();
      this.skipSpaces();
      const name = this.key();
      let value: BareItem = { type: 'boolean', value: true };
      if (this.isNext('=')) {
        this.take();
        value = this.bare();
      }
      found.set(name, value);
    }
    return found;
  }

  bare(): BareItem {
    const { next } = this;
    if (next === '-' || isDigit(next)) return this.number();
    if (next === '"') return { type: 'string', value: this.string() };
    if (next === '*' || isAlpha(next)) {
      const value = this.takeWhile((char) => isAlpha(char) || isDigit(char) || TOKEN_MORE.includes(char));
      return { type: 'token', value };
    }
    if (next === ':') return { type: 'bytes', value: this.bytes() };
    if (next === '?') return { type: 'boolean', value: this.boolean() };
    if (next === '@') {
      this.take();
      const date = this.number();
      return date.type === 'integer' ? { type: 'date', value: date.value } : fail('a date is a whole number of seconds');
    }
    if (next === '%') return { type: 'display', value: this.display() };
    return fail(next === '' ? 'an item is missing' : 'a character that begins no item');
  }

  number(): { readonly type: 'integer' | 'decimal'; readonly value: number } {
    let sign = 1;
    if (this.next === '-') {
      this.take();
      sign = -1;
    }
    const whole = this.takeWhile(isDigit);
    if (whole === '') fail('a number without digits');
    if (this.next !== '.') {
      const value = Number(whole);
      if (whole.length > 15 || value > INTEGER_MAX) fail('an integer of more than 15 digits');
      return { type: 'integer', value: value === 0 ? 0 : sign * value };
    }
    this.take();
    if (whole.length > 12) fail('a decimal of more than 12 digits before the point');
    const fraction = this.takeWhile(isDigit);
    if (fraction === '' || fraction.length > 3) fail('a decimal needs one to three digits behind the point');
    const value = Number(`${whole}.${fraction}`);
    return { type: 'decimal', value: value === 0 ? 0 : sign * value };
  }

  string(): string {
    this.take();
    let value = '';
    for (;;) {
      if (this.isDone) fail('a string does not end');
      const char = this.take();
      if (char === '"') return value;
      if (char === '\\') {
        const escaped = this.take();
        if (escaped !== '"' && escaped !== '\\') fail('an escape that is neither \\" nor \\\\');
        value += escaped;
      } else if (char < ' ' || char > '~') fail('a character that no string may hold');
      else value += char;
    }
  }

  bytes(): Uint8Array {
    this.take();
    const text = this.takeWhile((char) => char !== ':');
    if (this.take() !== ':') fail('a byte sequence does not end');
    return decodeBase64(text) ?? fail('a byte sequence is not canonical base64');
  }

  boolean(): boolean {
    this.take();
    const char = this.take();
    return char === '1' ? true : char === '0' ? false : fail('a boolean is ?0 or ?1');
  }

  display(): string {
    this.take();
    if (this.take() !== '"') fail('a display string does not begin with %"');
    const bytes: number[] = [];
    for (;;) {
      if (this.isDone) fail('a display string does not end');
      const char = this.take();
      if (char < ' ' || char > '~') fail('a character that no display string may hold');
      if (char === '"') break;
      if (char === '%') {
        const hex = this.take() + this.take();
        if (!/^[0-9a-f]{2}$/.test(hex)) fail('an escape of a display string is not two lower-case hex digits');
        bytes.push(Number.parseInt(hex, 16));
      } else bytes.push(char.charCodeAt(0));
    }
    try {
      return UTF8.decode(Uint8Array.from(bytes));
    } catch {
      return fail('a display string is not UTF-8');
    }
  }

  /** Between members of a list or dictionary. False: that was the last. */
  another(): boolean {
    this.skipWhite();
    if (this.isDone) return false;
    if (this.take() !== ',') fail('members are not separated by a comma');
    this.skipWhite();
    if (this.isDone) fail('a comma with nothing behind it');
    return true;
  }
}

function reading<T>(text: string, read: (cursor: Cursor) => T): FieldReading<T> {
  const cursor = new Cursor(text);
  try {
    cursor.skipSpaces();
    const value = read(cursor);
    cursor.skipSpaces();
    return cursor.isDone ? { ok: true, value } : { ok: false, why: 'something follows the value' };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { ok: false, why: error.message };
  }
}

export const parseItem = (text: string): FieldReading<FieldItem> => reading(text, (cursor) => cursor.item());

export const parseList = (text: string): FieldReading<readonly FieldMember[]> =>
  reading(text, (cursor) => {
    const members: FieldMember[] = [];
    if (cursor.isDone) return members;
    do members.push(cursor.member());
    while (cursor.another());
    return members;
  });

/** A key given twice keeps its place and takes its last value. */
export const parseDictionary = (text: string): FieldReading<ReadonlyMap<string, FieldMember>> =>
  reading(text, (cursor) => {
    const members = new Map<string, FieldMember>();
    if (cursor.isDone) return members;
    do {
      const key = cursor.key();
      if (cursor.next === '=') {
        cursor.take();
        members.set(key, cursor.member());
      } else members.set(key, { bare: { type: 'boolean', value: true }, parameters: cursor.parameters() });
    } while (cursor.another());
    return members;
  });
