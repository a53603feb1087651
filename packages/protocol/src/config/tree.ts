import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  visit,
  type YAMLError,
} from 'yaml';
import type { ConfigFile, Place } from './input.ts';
import { quoted, type Report } from './report.ts';

/**
 * A YAML document as plain data with the place of every key and value: hostile text is read once, here, and nothing
 * later sees anchors, tags or the parser's nodes. YAML 1.2, core schema, no merge keys.
 */
export type Tree = MapTree | ListTree | ScalarTree;
export interface MapTree {
  readonly kind: 'map';
  readonly at: Place;
  readonly entries: readonly Entry[];
}
export interface Entry {
  readonly key: string;
  readonly at: Place;
  readonly value: Tree;
}
export interface ListTree {
  readonly kind: 'list';
  readonly at: Place;
  readonly items: readonly Tree[];
}
export interface ScalarTree {
  readonly kind: 'scalar';
  readonly at: Place;
  readonly value: string | number | boolean | bigint | null;
  /** As written, without quotes: `0x10` stays `0x10`. */
  readonly source: string;
  readonly isQuoted: boolean;
}

/** 10 000 routes are one million characters. `flowDepth` bounds what the parser itself has to keep before this reader can count. */
export const LIMITS = {
  fileChars: 2_000_000,
  documents: 20_000,
  nodes: 400_000,
  depth: 24,
  flowDepth: 1000,
  aliases: 100,
} as const;

const CORE_TAG = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/;
const TOO_DEEP = 'lists and maps are nested too deeply to be read';

/** The documents of one file that could be read; what could not is in the report. Empty documents are left out. */
export function readDocuments(file: ConfigFile, report: Report): MapTree[] {
  const start: Place = { file: file.name, line: 1, column: 1 };
  const refuse = (message: string, remedy: string | null): MapTree[] => {
    report.error(start, 'too_large', message, remedy);
    return [];
  };
  if (file.text.length > LIMITS.fileChars)
    return refuse(`the file has more than ${LIMITS.fileChars} characters`, 'split it into several files');
  if (isNestedBeyond(file.text, LIMITS.flowDepth)) return refuse(TOO_DEEP, null);
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file: file.name, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const budget = { nodes: LIMITS.nodes, aliases: LIMITS.aliases, isSpent: false };
  const trees: MapTree[] = [];
  let documents = 0;
  try {
    // One document at a time: a flood is left where it exceeds its bound.
    for (const document of composer.compose(new Parser(lines.addNewLine).parse(file.text), false, file.text.length)) {
      documents += 1;
      if (documents > LIMITS.documents)
        return refuse(`the file has more than ${LIMITS.documents} documents`, 'split it into several files');
      const tree = readDocument(document, place, report, budget);
      if (tree !== null) trees.push(tree);
    }
  } catch (fault) {
    if (!(fault instanceof RangeError)) throw fault;
    return refuse(TOO_DEEP, null);
  }
  return trees;
}

/** Counts brackets wherever they stand, and dashes in a row: text that is no bomb stays far below the bound. */
function isNestedBeyond(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === 0x5b || code === 0x7b) depth += 1;
    else if ((code === 0x5d || code === 0x7d) && depth > 0) depth -= 1;
    if (depth > depthMax) return true;
  }
  return new RegExp(`(?:[-?:] ){${depthMax}}`).test(text);
}

type Budget = { nodes: number; aliases: number; isSpent: boolean };
type Where = (offset: number) => Place;

function readDocument(document: Document, place: Where, report: Report, budget: Budget): MapTree | null {
  for (const error of document.errors)
    report.error(place(startOf(error, document)), 'yaml_syntax', syntaxMessage(error.message), syntaxRemedy(error.code));
  if (document.errors.length > 0) return null;
  const { yaml } = document.directives ?? { yaml: undefined };
  if (yaml?.explicit === true && yaml.version !== '1.2')
    report.error(
      place(document.range?.[0] ?? 0),
      'yaml_syntax',
      `the file asks for YAML ${yaml.version}`,
      'remove the %YAML line: FluxGate reads YAML 1.2',
    );
  if (document.contents === null) return null;
  const tree = createReader(document, place, report, budget)(document.contents, 0);
  if (tree === null || (tree.kind === 'scalar' && tree.value === null)) return null;
  if (tree.kind === 'map') return tree;
  report.error(
    tree.at,
    'wrong_type',
    `a document is a map of fields, this one is a ${tree.kind === 'list' ? 'list' : 'single value'}`,
    'start it with `fluxgate:` or `route: /path`',
  );
  return null;
}

function createReader(document: Document, place: Where, report: Report, budget: Budget) {
  const open = new Set<Node>();
  /** Said once per file: a bomb would otherwise say it a million times. */
  const tooMuch = (at: Place, message: string, remedy: string | null): null => {
    if (!budget.isSpent) report.error(at, 'too_large', message, remedy);
    budget.isSpent = true;
    return null;
  };
  const read = (node: Node, depth: number): Tree | null => {
    if (budget.isSpent) return null;
    const at = place(node.range?.[0] ?? 0);
    budget.nodes -= 1;
    if (budget.nodes < 0 || depth > LIMITS.depth)
      return tooMuch(at, 'too many values, or lists and maps nested too deeply', null);
    if (isAlias(node)) {
      budget.aliases -= 1;
      if (budget.aliases < 0) return tooMuch(at, `more than ${LIMITS.aliases} aliases in one file`, 'write the values out');
      const target = node.resolve(document);
      if (target === undefined || open.has(target)) {
        report.error(at, 'yaml_syntax', `the alias ${quoted(`*${node.source}`)} stands for itself or for nothing`, null);
        return null;
      }
      return read(target, depth + 1);
    }
    if (node.tag !== undefined && !CORE_TAG.test(node.tag))
      report.error(at, 'yaml_syntax', `the tag ${quoted(node.tag)} means nothing here`, 'remove the tag');
    if (isScalar(node)) return scalar(node, at);
    open.add(node);
    const tree = isMap(node) ? readMap(node.items, at, depth) : isSeq(node) ? readList(node.items, at, depth) : null;
    open.delete(node);
    return tree;
  };
  const readList = (items: readonly unknown[], at: Place, depth: number): ListTree => ({
    kind: 'list',
    at,
    items: items.flatMap((item) => read(item as Node, depth + 1) ?? []),
  });
  const readMap = (pairs: readonly { key: unknown; value: unknown }[], at: Place, depth: number): MapTree => {
    const entries = new Map<string, Entry>();
    for (const pair of pairs) {
      const keyNode = pair.key as Node | null;
      const keyAt = keyNode?.range ? place(keyNode.range[0]) : at;
      if (!isScalar(keyNode) || keyNode.value === null || keyNode.value === '__proto__') {
        report.error(keyAt, 'yaml_syntax', 'a field name is a plain word', null);
        continue;
      }
      const key = scalar(keyNode, keyAt).source;
      const first = entries.get(key);
      if (first !== undefined) {
        report.error(
          keyAt,
          'duplicate_key',
          `${quoted(key)} stands here a second time; the first is on line ${first.at.line}`,
          'keep one of the two',
        );
        continue;
      }
      const value = pair.value === null ? missing(keyAt) : read(pair.value as Node, depth + 1);
      if (value !== null) entries.set(key, { key, at: keyAt, value });
    }
    return { kind: 'map', at, entries: [...entries.values()] };
  };
  return read;
}

const missing = (at: Place): ScalarTree => ({ kind: 'scalar', at, value: null, source: '', isQuoted: false });

function scalar(node: { value: unknown; source?: string; type?: string }, at: Place): ScalarTree {
  const value = typeof node.value === 'object' ? null : (node.value as ScalarTree['value']);
  return {
    kind: 'scalar',
    at,
    value,
    source: node.source ?? String(value),
    isQuoted: node.type !== undefined && node.type !== 'PLAIN',
  };
}

/** Of a quote that is never closed. */
const CLOSING_QUOTE = /closing ["']quote/;

/** The parser may quote the file in its messages, and a secret may stand there: the quotation is cut. */
function syntaxMessage(message: string): string {
  if (/call stack/.test(message)) return TOO_DEEP;
  if (CLOSING_QUOTE.test(message)) return 'a quote is opened here and never closed';
  return `this is not YAML: ${message
    .split('\n')[0]!
    .replace(/: ?".*$/, '')
    .replace(/[.:]$/, '')}`;
}

/** An unclosed quote is noticed at the end of the file; the reader wants to know where it opens. */
function startOf(error: YAMLError, document: Document): number {
  let start = error.pos[0];
  if (CLOSING_QUOTE.test(error.message))
    visit(document, {
      Scalar: (_key, node) => {
        if (node.type?.startsWith('QUOTE') && node.range && node.range[1] >= error.pos[0]) start = node.range[0];
      },
    });
  return start;
}

const SYNTAX_REMEDIES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with spaces',
  BAD_INDENT: 'line the field up with its neighbours',
  MISSING_CHAR: 'look for an unclosed quote or bracket, or a missing `: `',
  BLOCK_AS_IMPLICIT_KEY: 'put the inner map on its own lines, or quote the value',
  BAD_SCALAR_START: 'quote the value',
  MULTIPLE_DOCS: 'separate documents with ---',
};
const syntaxRemedy = (code: string): string | null => SYNTAX_REMEDIES[code] ?? null;
