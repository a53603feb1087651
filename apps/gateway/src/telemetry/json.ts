const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A JSON string. Most texts need no escapes, and finding that out is cheaper than `JSON.stringify`. */
export const jsonString = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));

export const jsonText = (text: string | null): string => (text === null || text === '' ? 'null' : jsonString(text));

/** Milliseconds with the digits that mean something: microseconds. */
export const jsonMs = (ms: number): string => String(Math.round(ms * 1000) / 1000);
