/** Task specs in TOML, with places. Dates and times become the text that was written: JSON has no others. */
import { parseTOML, ParseError, type AST } from 'toml-eslint-parser';
import type { Located, Place, Reading, SyntaxFault } from '../../documents/located.js';

/** A table or a list that is still being filled. */
interface OpenTable {
  readonly kind: 'table';
  readonly at: Place;
  readonly members: Map<string, { readonly at: Place; value: Open }>;
}
interface OpenList {
  readonly kind: 'list';
  readonly at: Place;
  readonly items: Open[];
}
type Open = OpenTable | OpenList | Extract<Located, { kind: 'scalar' }>;

export function readToml(text: string): Reading {
  const faults: SyntaxFault[] = [];
  const root = openTable({ line: 1, column: 1 });
  try {
    for (const node of parseTOML(text).body[0].body) {
      if (node.type === 'TOMLKeyValue') put(root, node, text, faults);
      else table(root, node, text, faults);
    }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { lineNumber: line, column, message } = error;
    return { ok: false, faults: [{ at: { line, column: column + 1 }, message }] };
  }
  return faults.length === 0 ? { ok: true, root } : { ok: false, faults };
}

/** `[a.b]` or `[[a.b]]`: the parser has found out which items of which lists are meant. */
function table(root: OpenTable, node: AST.TOMLTable, text: string, faults: SyntaxFault[]): void {
  const at = placeOf(node);
  let here: Open = root;
  for (const [index, step] of node.resolvedKey.entries()) {
    const isList = typeof node.resolvedKey[index + 1] === 'number';
    here = enter(here, step, at, isList);
  }
  for (const each of node.body) put(here, each, text, faults);
}

function put(into: Open, node: AST.TOMLKeyValue, text: string, faults: SyntaxFault[]): void {
  let here = into;
  const keys = node.key.keys;
  for (const key of keys.slice(0, -1)) here = enter(here, nameOf(key), placeOf(key), false);
  const last = keys.at(-1);
  if (last === undefined || here.kind !== 'table') return;
  here.members.set(nameOf(last), { at: placeOf(last), value: open(node.value, text, faults) });
}

/** The table or list that stands there, made where there is none yet. */
function enter(here: Open, step: string | number, at: Place, isList: boolean): Open {
  const made: Open = isList ? { kind: 'list', at, items: [] } : openTable(at);
  if (here.kind === 'list') {
    const item = here.items[Number(step)];
    if (item !== undefined) return item;
    here.items.push(made);
  } else if (here.kind === 'table') {
    const member = here.members.get(String(step));
    if (member !== undefined) return member.value;
    here.members.set(String(step), { at, value: made });
  }
  return made;
}

function open(node: AST.TOMLContentNode, text: string, faults: SyntaxFault[]): Open {
  const at = placeOf(node);
  if (node.type === 'TOMLArray') {
    return { kind: 'list', at, items: node.elements.map((each) => open(each, text, faults)) };
  }
  if (node.type === 'TOMLInlineTable') {
    const made = openTable(at);
    for (const each of node.body) put(made, each, text, faults);
    return made;
  }
  return { kind: 'scalar', at, value: scalar(node, at, text, faults) };
}

function scalar(
  node: AST.TOMLValue,
  at: Place,
  text: string,
  faults: SyntaxFault[],
): string | number | boolean {
  switch (node.kind) {
    case 'string':
    case 'boolean':
      return node.value;
    case 'integer': {
      const value = Number(node.bigint);
      if (Number.isSafeInteger(value)) return value;
      faults.push({ at, message: 'an integer beyond 9007199254740991: write it as a string' });
      return 0;
    }
    case 'float':
      if (Number.isFinite(node.value)) return node.value;
      faults.push({ at, message: 'a number that JSON cannot carry' });
      return 0;
    default:
      return text.slice(...node.range);
  }
}

function openTable(at: Place): OpenTable {
  return { kind: 'table', at, members: new Map() };
}

function nameOf(key: AST.TOMLBare | AST.TOMLQuoted): string {
  return key.type === 'TOMLBare' ? key.name : key.value;
}

function placeOf(node: AST.TOMLNode): Place {
  const { line, column } = node.loc.start;
  return { line, column: column + 1 };
}
