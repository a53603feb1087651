/**
 * The YAML that fluxctl itself writes for its configuration: nested maps, two spaces deep, JSON scalars. Reading it here
 * saves every command the import of a whole YAML parser; anything else in the file goes to that parser.
 */
export type Tree = { [key: string]: string | number | boolean | null | Tree };

const LINE = /^( *)("(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_-]*):(?: (.+))?$/;

/** The tree, or null if the text uses more of YAML than this reads. */
export function readPlainYaml(text: string): Tree | null {
  const root: Tree = Object.create(null) as Tree;
  const open: Tree[] = [root];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const found = LINE.exec(line);
    if (!found) return null;
    const [, indent = '', rawKey = '', rawValue] = found;
    const depth = indent.length / 2;
    const parent = open[depth];
    if (!Number.isInteger(depth) || parent === undefined) return null;
    open.length = depth + 1;
    try {
      const key = rawKey.startsWith('"') ? (JSON.parse(rawKey) as string) : rawKey;
      if (Object.hasOwn(parent, key)) return null;
      if (rawValue === undefined) {
        const child: Tree = Object.create(null) as Tree;
        parent[key] = child;
        open.push(child);
      } else if (rawValue === '{}') parent[key] = Object.create(null) as Tree;
      else {
        const value: unknown = JSON.parse(rawValue);
        if (typeof value === 'object' && value !== null) return null;
        parent[key] = value as string | number | boolean | null;
      }
    } catch {
      return null;
    }
  }
  return root;
}

export function writePlainYaml(tree: Tree, depth = 0): string {
  const indent = '  '.repeat(depth);
  return Object.entries(tree)
    .map(([key, value]) => {
      const name = /^[A-Za-z_][A-Za-z0-9_-]*$/.test(key) ? key : JSON.stringify(key);
      if (typeof value !== 'object' || value === null) return `${indent}${name}: ${JSON.stringify(value)}\n`;
      return Object.keys(value).length === 0
        ? `${indent}${name}: {}\n`
        : `${indent}${name}:\n${writePlainYaml(value, depth + 1)}`;
    })
    .join('');
}
