import type { ObjectKind, Place, Positions } from './input.ts';
import type { Cursor } from './schema.ts';

type Segment = string | number;

const placeKey = (kind: ObjectKind, name: string, path: readonly Segment[]): string => [kind, name, ...path].join('\0');

/** There is one settings object, whatever the caller calls it. */
const nameOf = (kind: ObjectKind, name: string): string => (kind === 'settings' ? '' : name);

/**
 * Files an object's places away: all that was marked below `from` in its document, as paths below `base` of the object.
 * Answers where the object was given before, if it was; then nothing is filed.
 */
export function fileAway(
  into: Map<string, Place>,
  object: { kind: ObjectKind; name: string; base: readonly Segment[] },
  marks: Cursor['marks'],
  from: readonly Segment[],
): Place | null {
  const { kind, base } = object;
  const name = nameOf(kind, object.name);
  const first = into.get(placeKey(kind, name, base));
  if (first !== undefined) return first;
  const root = from.join('\0');
  for (const [path, place] of marks) {
    if (path === root) into.set(placeKey(kind, name, base), place);
    else if (root === '' || path.startsWith(`${root}\0`))
      into.set(placeKey(kind, name, [...base, ...path.slice(root === '' ? 0 : root.length + 1).split('\0')]), place);
  }
  return null;
}

/** Gives an object itself a place, where its document has no field for it. */
export const fileObject = (into: Map<string, Place>, kind: ObjectKind, name: string, place: Place): void => {
  into.set(placeKey(kind, nameOf(kind, name), []), place);
};

/**
 * Where a field of an object was written; else the nearest field around it, else the object; null: no file speaks of it.
 * `field` is a dotted path as in the file, `middleware.0.jwt.issuer` or `middleware[0].jwt.issuer`.
 */
export function findPlace(positions: Positions, kind: ObjectKind, name: string, field: string): Place | null {
  const path = field.split(/[.[\]]+/).filter((segment) => segment !== '' && segment !== 'fluxgate');
  // Fields of `validation` may stand without it, too.
  const flat = path.filter((segment) => segment !== 'validation');
  for (let length = path.length; length >= 0; length -= 1) {
    const key = placeKey(kind, nameOf(kind, name), path.slice(0, length));
    const found = positions.get(key) ?? positions.get(placeKey(kind, nameOf(kind, name), flat.slice(0, length)));
    if (found !== undefined) return found;
  }
  return null;
}

/** Whether the files give that setting itself, rightly or wrongly. */
export const isGiven = (positions: Positions, setting: string): boolean =>
  positions.has(placeKey('settings', '', setting.split('.')));
