/** A file in JSON (RFC 8259), with places. A key given twice is a mistake: `JSON.parse` would keep the last in silence. */
import { parse, type ValueNode } from '@humanwhocodes/momoa';
import type { Located, Member, Reading, SyntaxFault } from './located.js';

export function readJson(text: string): Reading {
  const faults: SyntaxFault[] = [];
  let root: Located;
  try {
    root = located(parse(text, { mode: 'json' }).body, faults);
  } catch (error) {
    return { ok: false, faults: [faultOf(error)] };
  }
  return faults.length === 0 ? { ok: true, root } : { ok: false, faults };
}

function located(node: ValueNode, faults: SyntaxFault[]): Located {
  const { line, column } = node.loc.start;
  const at = { line, column };
  switch (node.type) {
    case 'Object': {
      const members = new Map<string, Member>();
      for (const { name, value } of node.members) {
        const key = name.type === 'String' ? name.value : name.name;
        const place = { line: name.loc.start.line, column: name.loc.start.column };
        if (members.has(key)) faults.push({ at: place, message: `${JSON.stringify(key)} is given twice` });
        members.set(key, { at: place, value: located(value, faults) });
      }
      return { kind: 'table', at, members };
    }
    case 'Array':
      return { kind: 'list', at, items: node.elements.map(({ value }) => located(value, faults)) };
    case 'String':
    case 'Number':
    case 'Boolean':
      return { kind: 'scalar', at, value: node.value };
    case 'Null':
      return { kind: 'scalar', at, value: null };
    default:
      faults.push({ at, message: 'JSON has no such value' });
      return { kind: 'scalar', at, value: null };
  }
}

/** The parser's errors have a place; others are not for its user. */
function faultOf(error: unknown): SyntaxFault {
  if (!(error instanceof Error) || !('line' in error && 'column' in error)) throw error;
  const at = { line: Number(error.line), column: Number(error.column) };
  return { at, message: error.message.replace(/ \(\d+:\d+\)$/, '') };
}
