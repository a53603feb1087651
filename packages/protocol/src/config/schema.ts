import type { Place } from './input.ts';
import { nearest, quoted, type Report } from './report.ts';
import type { Entry, MapTree, Tree } from './tree.ts';

/** What a value looks like in YAML; a Map keeps the order of its keys, a plain object would sort `1` before `b`. */
export type Plain = string | number | boolean | readonly Plain[] | ReadonlyMap<string, Plain>;

/** explicit: every field is written; terse: fields that equal their default are left out. */
export type Wording = 'explicit' | 'terse';

/** Where the reading stands: names the field in messages and remembers where each field was written. */
export interface Cursor {
  readonly report: Report;
  readonly path: readonly (string | number)[];
  readonly marks: Map<string, Place>;
}

export const cursor = (report: Report): Cursor => ({ report, path: [], marks: new Map() });
export const step = (at: Cursor, segment: string | number, place: Place): Cursor => {
  const inner = { ...at, path: [...at.path, segment] };
  at.marks.set(markKey(inner.path), place);
  return inner;
};
export const markKey = (path: readonly (string | number)[]): string => path.join('\0');
/** Where a field below was written, or else `otherwise`: for rules that concern several fields. */
export const placeOf = (at: Cursor, inner: readonly (string | number)[], otherwise: Place): Place =>
  at.marks.get(markKey([...at.path, ...inner])) ?? otherwise;
/** `validation.max_age`, `middleware[0].jwt`: how messages name the field. */
export const pathText = (at: Cursor): string =>
  at.path
    .map((segment, index) => (typeof segment === 'number' ? `[${segment}]` : index === 0 ? segment : `.${segment}`))
    .join('');
export const fieldName = (at: Cursor): string => String(at.path.findLast((segment) => typeof segment === 'string') ?? 'value');

/** `a duration`, `an address:port`, `text`: for sentences. */
export const withArticle = (label: string): string =>
  /^(text|true or|`|list|map)/.test(label) ? label : `${/^[aeio]/.test(label) ? 'an' : 'a'} ${label}`;

/** One kind of value: how it is read, written and named. `read` answers undefined after it reported why. */
export interface ValueType<T> {
  /** For the reference: `duration`, `list of scopes`. */
  readonly label: string;
  read(tree: Tree, at: Cursor): T | undefined;
  write(value: T, wording: Wording): Plain;
}

export interface Field<V> {
  readonly label: string;
  readonly presence: 'required' | 'optional' | 'default';
  /** For the reference; only with presence `default`. */
  readonly defaultText: string | null;
  /** One sentence: what it does. */
  readonly about: string;
  readonly example: string | null;
  /** Other spellings that mean the same. */
  readonly aliases: readonly string[];
  /** The fields of a nested block, shown in the reference as `outer.inner`. */
  readonly nested: Fields | null;
  read(tree: Tree, at: Cursor): V | undefined;
  /** null: nothing to write. */
  write(value: V, wording: Wording): Plain | null;
  /** undefined: the field is required. */
  readonly absent: { readonly value: V } | undefined;
}
export type Fields = Readonly<Record<string, Field<unknown>>>;
export type Values<F> = { readonly [K in keyof F]: F[K] extends Field<infer V> ? V : never };

interface More {
  readonly example?: string;
  readonly aliases?: readonly string[];
  /** The fields of the block are shown in the reference as `outer.inner`. */
  readonly shows?: Fields;
  /** In place of the default as it would be written. */
  readonly defaultText?: string;
}

export function required<T>(type: ValueType<T>, about: string, more: More = {}): Field<T> {
  return {
    ...base(type, about, more),
    presence: 'required',
    defaultText: null,
    absent: undefined,
    write: (value, wording) => type.write(value, wording),
  };
}

/** Required in a file; null only in a configuration that was made otherwise, and then nothing is written. */
export function requiredOrNull<T>(type: ValueType<T>, about: string, more: More = {}): Field<T | null> {
  return { ...optional(type, about, more), presence: 'required', defaultText: null, absent: undefined };
}

export function optional<T>(type: ValueType<T>, about: string, more: More = {}): Field<T | null> {
  return {
    ...base(type, about, more),
    presence: 'optional',
    defaultText: more.defaultText ?? null,
    absent: { value: null },
    write: (value, wording) => (value === null ? null : type.write(value, wording)),
  };
}

export function defaulted<T>(type: ValueType<T>, fallback: T, about: string, more: More = {}): Field<T> {
  const usual = type.write(fallback, 'explicit');
  return {
    ...base(type, about, more),
    presence: 'default',
    defaultText: more.defaultText ?? flow(usual),
    absent: { value: fallback },
    write: (value, wording) => {
      const mayOmit = wording === 'terse' || isEmpty(usual);
      return mayOmit && flow(type.write(value, 'explicit')) === flow(usual) ? null : type.write(value, wording);
    },
  };
}

/** A nested block that may be left out: all its fields have defaults. */
export function section<M>(type: Block<M>, about: string): Field<M> {
  const fallback = type.whenAbsent();
  return { ...defaulted(type, fallback, about), defaultText: null, presence: 'optional', nested: type.fields };
}

function base<T>(type: ValueType<T>, about: string, more: More) {
  return {
    label: type.label,
    about,
    example: more.example ?? null,
    aliases: more.aliases ?? [],
    nested: more.shows ?? null,
    read: (tree: Tree, at: Cursor) => type.read(tree, at),
  };
}

const isEmpty = (plain: Plain): boolean => (plain instanceof Map ? plain.size === 0 : Array.isArray(plain) && plain.length === 0);

/** A value on one line, as YAML flow. Only for comparing and for the reference, not for files. */
export function flow(plain: Plain): string {
  if (plain instanceof Map && plain.size === 0) return '{}';
  if (plain instanceof Map) return `{ ${[...plain].map(([key, value]) => `${key}: ${flow(value)}`).join(', ')} }`;
  if (Array.isArray(plain)) return `[${plain.map(flow).join(', ')}]`;
  if (typeof plain !== 'string' || /^[A-Za-z0-9_./+-]+$/.test(plain)) return String(plain);
  return plain.includes('"') && !plain.includes("'") ? `'${plain}'` : JSON.stringify(plain);
}

/** A map whose fields are known beforehand. The schema of a thing is one of these, beside the thing. */
export interface Block<M> extends ValueType<M> {
  readonly title: string;
  readonly about: string;
  readonly fields: Fields;
  write(value: M, wording: Wording): ReadonlyMap<string, Plain>;
  whenAbsent(): M;
}

export interface BlockSpec<F, M> {
  /** How messages and the reference call it, e.g. `fluxgate.auth.api_key`. */
  readonly title: string;
  readonly about: string;
  /** For the reference. */
  readonly label?: string;
  /** Shown to who writes a single value instead. */
  readonly example?: string;
  readonly fields: F;
  /** What people of other gateways write here → what to write instead. */
  readonly foreign?: Readonly<Record<string, string>>;
  /** These fields may also stand in an inner map of that name; `isWritten`: they are written there. */
  readonly hoist?: { readonly key: string; readonly fields: readonly string[]; readonly isWritten: boolean };
  /** undefined: refused, after reporting why. */
  build(values: Values<F>, at: Cursor, tree: MapTree): M | undefined;
  take(model: M): Values<F>;
}

export function block<F extends Fields, M>(spec: BlockSpec<F, M>): Block<M> {
  const nameOf = new Map<string, string>();
  for (const [name, field] of Object.entries(spec.fields))
    for (const spelling of [name, ...field.aliases]) nameOf.set(spelling, name);

  const read = (tree: Tree, at: Cursor): M | undefined => {
    const map = wantMap(tree, at, spec.title, spec.example ?? null);
    if (map === undefined) return undefined;
    const given = new Map<string, Entry>();
    for (const entry of spec.hoist ? hoisted(map, spec.hoist, nameOf, at) : map.entries) {
      const name = nameOf.get(entry.key);
      if (name === undefined) {
        refuseUnknown(entry, spec, nameOf, at);
        continue;
      }
      const first = given.get(name);
      if (first === undefined) given.set(name, entry);
      else
        at.report.error(
          entry.at,
          'conflict',
          `${quoted(entry.key)} says again what ${quoted(first.key)} says on line ${first.at.line}`,
          `keep one of the two: \`${name}\``,
        );
    }
    const values: Record<string, unknown> = {};
    let isWhole = true;
    for (const [name, field] of Object.entries(spec.fields)) {
      const entry = given.get(name);
      const value = entry === undefined ? undefined : readField(field, entry, step(at, name, entry.at));
      if (value !== undefined) values[name] = value;
      else if (field.absent !== undefined) values[name] = field.absent.value;
      else {
        isWhole = false;
        if (entry === undefined)
          at.report.error(
            map.at,
            'missing_field',
            `${spec.title} needs \`${name}\`: ${lowerFirst(field.about)}`,
            field.example === null ? null : `\`${name}: ${field.example}\``,
          );
      }
    }
    return isWhole ? spec.build(values as Values<F>, at, map) : undefined;
  };

  return {
    label: spec.label ?? 'block, see below',
    title: spec.title,
    about: spec.about,
    fields: spec.fields,
    read,
    write: (model, wording) => {
      const values = spec.take(model) as Record<string, unknown>;
      const outer = new Map<string, Plain>();
      const inner = new Map<string, Plain>();
      for (const [name, field] of Object.entries(spec.fields)) {
        const plain = field.write(values[name], wording);
        if (plain !== null) (spec.hoist?.isWritten && spec.hoist.fields.includes(name) ? inner : outer).set(name, plain);
      }
      if (spec.hoist && inner.size > 0) outer.set(spec.hoist.key, inner);
      return outer;
    },
    whenAbsent: () => {
      const values = Object.fromEntries(Object.entries(spec.fields).map(([name, field]) => [name, field.absent?.value]));
      const model = spec.build(values as Values<F>, { report: SILENT, path: [], marks: new Map() }, NOWHERE);
      if (model === undefined) throw new Error(`${spec.title} cannot be left out`);
      return model;
    },
  };
}

/** A block whose model is just its values. */
export const group = <F extends Fields>(
  spec: Pick<BlockSpec<F, Values<F>>, 'title' | 'about' | 'label' | 'example' | 'fields' | 'foreign'>,
): Block<Values<F>> => block<F, Values<F>>({ ...spec, build: (values) => values, take: (model) => model });

const SILENT: Report = { error: () => {}, warn: () => {}, errorCount: () => 0, diagnostics: () => [] };
const NOWHERE: MapTree = { kind: 'map', at: { file: '', line: 0, column: 0 }, entries: [] };

function readField(field: Field<unknown>, entry: Entry, at: Cursor): unknown {
  if (entry.value.kind === 'scalar' && entry.value.value === null) {
    at.report.error(
      entry.at,
      'wrong_type',
      `${quoted(entry.key)} has no value`,
      `give it ${withArticle(field.label)}, or remove the line`,
    );
    return undefined;
  }
  return field.read(entry.value, at);
}

export function wantMap(tree: Tree, at: Cursor, title: string, instead: string | null = null): MapTree | undefined {
  if (tree.kind === 'map') return tree;
  const isList = tree.kind === 'list';
  at.report.error(
    tree.at,
    'wrong_type',
    `${title} is a map of fields, not a ${isList ? 'list' : 'single value'}`,
    isList ? 'remove the dashes: `field: value`' : instead,
  );
  return undefined;
}

/** Entries of the inner map, read as though they stood outside. */
function hoisted(
  map: MapTree,
  hoist: NonNullable<BlockSpec<unknown, unknown>['hoist']>,
  nameOf: ReadonlyMap<string, string>,
  at: Cursor,
): Entry[] {
  return map.entries.flatMap((entry) => {
    if (entry.key !== hoist.key) return [entry];
    const inner = wantMap(entry.value, step(at, hoist.key, entry.at), `\`${hoist.key}\``);
    return (inner?.entries ?? []).filter((one) => {
      const name = nameOf.get(one.key);
      const isOuter = name !== undefined && !hoist.fields.includes(name);
      if (isOuter)
        at.report.error(
          one.at,
          'unknown_field',
          `${quoted(one.key)} does not belong into \`${hoist.key}\``,
          `move it one level up, beside \`${hoist.key}\``,
        );
      return !isOuter;
    });
  });
}

function refuseUnknown<F, M>(entry: Entry, spec: BlockSpec<F, M>, nameOf: ReadonlyMap<string, string>, at: Cursor): void {
  const remedy = unknownRemedy(entry.key, spec, nameOf);
  if (isSecret(entry.key))
    at.report.error(entry.at, 'secret_in_clear', `${quoted(entry.key)} puts a secret into the file`, remedy);
  else at.report.error(entry.at, 'unknown_field', `${spec.title} knows no field ${quoted(entry.key)}`, remedy);
}

/** Fields by which people put secrets into files. The finding has a code of its own, so that nobody takes it for a typing mistake. */
const isSecret = (name: string): boolean =>
  /^(client_?secret|secret|password|private_?key|signing_?key|cookie_?secret|pepper)$/i.test(name);

function unknownRemedy<F, M>(key: string, spec: BlockSpec<F, M>, nameOf: ReadonlyMap<string, string>): string {
  if (key === '<<') return 'merge keys are no part of YAML 1.2: write the fields out';
  const foreign = spec.foreign?.[key];
  if (foreign !== undefined) return foreign;
  for (const [outer, field] of Object.entries(spec.fields as Fields))
    if (field.nested !== null && key in field.nested) return `it belongs one level down: \`${outer}: { ${key}: … }\``;
  const hoistKeys = spec.hoist ? [spec.hoist.key] : [];
  const near = nearest(key, [...nameOf.keys(), ...hoistKeys]);
  return near === null
    ? `known here: ${Object.keys(spec.fields as Fields)
        .concat(hoistKeys)
        .join(', ')}`
    : `did you mean \`${near}\`?`;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
