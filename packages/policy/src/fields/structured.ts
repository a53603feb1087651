/** Structured fields (RFC 9651, which replaces RFC 8941 and adds dates and display strings) as plain data. */

export type BareItem =
  | { readonly type: 'integer'; readonly value: number }
  | { readonly type: 'decimal'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'token'; readonly value: string }
  | { readonly type: 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'boolean'; readonly value: boolean }
  /** Seconds since 1970. */
  | { readonly type: 'date'; readonly value: number }
  | { readonly type: 'display'; readonly value: string };

/** In the order in which they were first named; a name given twice keeps its last value (RFC 9651 §4.2.3.2). */
export type FieldParameters = ReadonlyMap<string, BareItem>;

export interface FieldItem {
  readonly bare: BareItem;
  readonly parameters: FieldParameters;
}

export interface InnerList {
  readonly items: readonly FieldItem[];
  readonly parameters: FieldParameters;
}

export type FieldMember = FieldItem | InnerList;

export const isInnerList = (member: FieldMember): member is InnerList => 'items' in member;

export type FieldReading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** RFC 9651 §3.3.1: fifteen digits. */
export const INTEGER_MAX = 999_999_999_999_999;
export const KEY_FORM = /^[a-z*][a-z0-9_.*-]*$/;
export const TOKEN_FORM = /^[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*$/;
