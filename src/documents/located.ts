/**
 * A value with the places in the file where its parts stand, whatever the file's format.
 * Every mistake is told with a place, so a reader of a format gives nothing but these.
 */

/** Both from 1; a column counts UTF-16 units, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type Located =
  | { readonly kind: 'scalar'; readonly at: Place; readonly value: string | number | boolean | null }
  | { readonly kind: 'list'; readonly at: Place; readonly items: readonly Located[] }
  | { readonly kind: 'table'; readonly at: Place; readonly members: ReadonlyMap<string, Member> };

export interface Member {
  /** Where its key stands. */
  readonly at: Place;
  readonly value: Located;
}

/** A file that cannot be read as a value: what is wrong with its syntax, and where. */
export interface SyntaxFault {
  readonly at: Place;
  readonly message: string;
}

export type Reading =
  | { readonly ok: true; readonly root: Located }
  | { readonly ok: false; readonly faults: readonly SyntaxFault[] };

/**
 * The bare value. A key such as `__proto__` is a key like any other.
 * @throws RangeError where it is nested deeper than `levels`.
 */
export function valueOf(located: Located, levels: number): unknown {
  if (levels < 0) throw new RangeError('nested too deeply');
  switch (located.kind) {
    case 'scalar':
      return located.value;
    case 'list':
      return located.items.map((item) => valueOf(item, levels - 1));
    case 'table':
      return Object.fromEntries(
        [...located.members].map(([key, { value }]) => [key, valueOf(value, levels - 1)]),
      );
  }
}

/** Where the value at a path stands; of what is missing, where the nearest that is there stands. */
export function placeOf(root: Located, path: readonly PropertyKey[]): Place {
  let here = root;
  let place = root.at;
  for (const [index, step] of path.entries()) {
    const next = childOf(here, step);
    if (next === undefined) return place;
    // The key of the last step is what is wrong; above it, the value is where to look for what is missing.
    place = index === path.length - 1 && next.value.kind !== 'scalar' ? next.at : next.value.at;
    here = next.value;
  }
  return place;
}

/** Where the key of a member stands. */
export function keyPlaceOf(root: Located, path: readonly PropertyKey[]): Place {
  let here: Located | undefined = root;
  for (const step of path.slice(0, -1)) here = here === undefined ? undefined : childOf(here, step)?.value;
  const last = path.at(-1);
  const member = here === undefined || last === undefined ? undefined : childOf(here, last);
  return member?.at ?? placeOf(root, path);
}

function childOf(located: Located, step: PropertyKey): Member | undefined {
  if (located.kind === 'table') return located.members.get(String(step));
  const item = located.kind === 'list' ? located.items[Number(step)] : undefined;
  return item === undefined ? undefined : { at: item.at, value: item };
}
