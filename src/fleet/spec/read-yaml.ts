/**
 * Task specs in YAML 1.2 (core schema), with places. Aliases are followed, but only so far that a file of aliases of
 * aliases grows no value beyond `maxSpecValues` (L7). There are no merge keys: YAML 1.2 has none.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import type { Located, Member, Place, Reading, SyntaxFault } from '../../documents/located.js';

export function readYaml(text: string): Reading {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    strict: true,
    uniqueKeys: true,
    version: '1.2',
    schema: 'core',
    merge: false,
  });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  // A warning here is a tag that is not understood: the value is not what its author meant.
  const said = [...document.errors, ...document.warnings];
  if (said.length > 0) {
    return { ok: false, faults: said.map(({ pos, message }) => ({ at: placeAt(pos[0]), message })) };
  }
  const builder = new Builder(placeAt);
  const root = builder.locate(document.contents, { line: 1, column: 1 });
  return builder.faults.length === 0 ? { ok: true, root } : { ok: false, faults: builder.faults };
}

/** What an anchor stands for: the value, and how many values it is in all. `undefined` while it is being read. */
type Anchored = { readonly located: Located; readonly values: number } | undefined;

class Builder {
  readonly faults: SyntaxFault[] = [];
  readonly #placeAt: (offset: number) => Place;
  /** In the order of the file: an alias means the latest before it. */
  readonly #anchors = new Map<string, Anchored>();
  #values = 0;

  constructor(placeAt: (offset: number) => Place) {
    this.#placeAt = placeAt;
  }

  locate(node: Node | null, above: Place): Located {
    const before = this.#values;
    this.#values += 1;
    const at = this.#placeOf(node, above);
    if (node === null) return { kind: 'scalar', at, value: null };
    if (isAlias(node)) return this.#alias(node.source, at);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, undefined);
    const located = this.#content(node, at);
    if (node.anchor !== undefined) {
      this.#anchors.set(node.anchor, { located, values: this.#values - before });
    }
    return located;
  }

  #alias(name: string, at: Place): Located {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      return this.#refuse(
        at,
        this.#anchors.has(name) ? 'an alias of what it stands in' : 'an alias of nothing',
      );
    }
    this.#values += target.values;
    if (this.#values > DEFAULT_FLEET_LIMITS.maxSpecValues) return this.#refuse(at, 'too many values');
    return target.located;
  }

  #content(node: Node, at: Place): Located {
    if (isSeq(node)) {
      return { kind: 'list', at, items: node.items.map((item) => this.locate(item as Node | null, at)) };
    }
    if (isMap(node)) {
      const members = new Map<string, Member>();
      for (const { key, value } of node.items) {
        const place = this.#placeOf(key as Node | null, at);
        const name = this.#key(key as Node | null, place);
        members.set(name, { at: place, value: this.locate(value as Node | null, place) });
      }
      return { kind: 'table', at, members };
    }
    return { kind: 'scalar', at, value: isScalar(node) ? this.#scalar(node.value, at) : null };
  }

  #placeOf(node: Node | null, above: Place): Place {
    const start = node?.range?.[0];
    return start === undefined ? above : this.#placeAt(start);
  }

  #key(node: Node | null, at: Place): string {
    if (isScalar(node) && ['string', 'number', 'boolean'].includes(typeof node.value))
      return String(node.value);
    this.#refuse(at, 'a key that is no text');
    return '';
  }

  #scalar(value: unknown, at: Place): string | number | boolean | null {
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.#refuse(at, 'an integer beyond 9007199254740991: write it as a string');
    } else if (typeof value === 'number' && Number.isFinite(value)) {
      return value;
    } else {
      this.#refuse(at, 'a value that JSON cannot carry');
    }
    return null;
  }

  #refuse(at: Place, message: string): Located {
    if (this.faults.length < DEFAULT_FLEET_LIMITS.maxProblems) this.faults.push({ at, message });
    return { kind: 'scalar', at, value: null };
  }
}
