/**
 * JSON whose objects name no member twice. `JSON.parse` lets the last one win, another reader may let the first: then two readers
 * of one token see two tokens. The scan runs over text that `JSON.parse` has accepted, so it only has to follow the structure.
 */

export type JsonObject = { readonly [name: string]: unknown };

/** null: no JSON, no object, or a member named twice (anywhere in it). */
export function parseObject(text: string): JsonObject | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isObject(value) && !hasTwins(text) ? value : null;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Is a member named twice in one object of this valid JSON? Escaped spellings of a name are the same name. */
export function hasTwins(json: string): boolean {
  /** Names seen in each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let names: Set<string> | null = null;
  let isName = false;
  for (let i = 0; i < json.length; i += 1) {
    switch (json.charCodeAt(i)) {
      case 0x7b: // {
        names = new Set();
        open.push(names);
        isName = true;
        break;
      case 0x5b: // [
        names = null;
        open.push(null);
        isName = false;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        names = open.at(-1) ?? null;
        isName = false;
        break;
      case 0x2c: // ,
        isName = names !== null;
        break;
      case QUOTE: {
        const end = endOfString(json, i);
        if (isName && names !== null) {
          const raw = json.slice(i + 1, end);
          const name = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
          if (names.has(name)) return true;
          names.add(name);
          isName = false;
        }
        i = end;
      }
    }
  }
  return false;
}

function endOfString(json: string, start: number): number {
  let i = start + 1;
  while (json.charCodeAt(i) !== QUOTE) i += json.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

/**
 * The value at `path`: a member of that whole name first (names may hold dots, as in `https://ns.example/roles`), else the part before
 * a dot and the rest inside it. Own members only.
 */
export function valueAt(object: JsonObject, path: string): unknown {
  if (Object.hasOwn(object, path)) return object[path];
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
    const head = path.slice(0, dot);
    if (!Object.hasOwn(object, head)) continue;
    const inner = object[head];
    if (isObject(inner)) {
      const found = valueAt(inner, path.slice(dot + 1));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
