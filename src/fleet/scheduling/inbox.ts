/**
 * What waits, in order. Items that need the same are one kind: where the first of a kind cannot be placed, neither can
 * the others, and none of them is looked at. So a pass costs as much as there are kinds, however much waits.
 *
 * (I1) Of one kind, and among kinds by their first items, the order is that of `compare`.
 * (I2) What is not due yet holds nobody back.
 */
export interface InboxRules<Item> {
  readonly kindOf: (item: Item) => string;
  readonly compare: (a: Item, b: Item) => number;
}

/** Of one kind, the last the first to be served: taking it moves nothing. */
interface Group<Item> {
  readonly kind: string;
  readonly items: Item[];
}

interface Later<Item> {
  readonly due: number;
  readonly item: Item;
}

export class Inbox<Item> {
  readonly #rules: InboxRules<Item>;
  readonly #groups = new Map<string, Group<Item>>();
  /** By their first items. */
  readonly #order: Group<Item>[] = [];
  /** The last is due first. */
  readonly #later: Later<Item>[] = [];
  #size = 0;

  constructor(rules: InboxRules<Item>) {
    this.#rules = rules;
  }

  /** Those that are not due yet included. */
  get size(): number {
    return this.#size;
  }

  /** When the next item is due that is not yet, in milliseconds since 1970. */
  get nextDue(): number | undefined {
    return this.#later.at(-1)?.due;
  }

  add(item: Item, due: number, now: number): void {
    this.#size += 1;
    if (due <= now) this.#enter(item);
    else insert(this.#later, { due, item }, (a, b) => b.due - a.due);
  }

  /** Offers what is due until `more` says no; what `take` takes is not here any more. */
  offer(now: number, more: () => boolean, take: (item: Item) => boolean): void {
    for (let next = this.#later.at(-1); next !== undefined && next.due <= now; next = this.#later.at(-1)) {
      this.#later.pop();
      this.#enter(next.item);
    }
    for (let at = 0; at < this.#order.length && more();) {
      const group = this.#order[at];
      const item = group?.items.at(-1);
      if (group === undefined || item === undefined) break;
      if (!take(item)) {
        at += 1;
        continue;
      }
      this.#order.splice(at, 1);
      group.items.pop();
      this.#size -= 1;
      if (group.items.length === 0) this.#groups.delete(group.kind);
      else this.#place(group);
    }
  }

  /** Whether it was here; it is not any more. */
  remove(item: Item): boolean {
    const later = this.#later.findIndex((one) => one.item === item);
    if (later >= 0) this.#later.splice(later, 1);
    else if (!this.#leave(item)) return false;
    this.#size -= 1;
    return true;
  }

  /** Takes everything out. */
  drain(): Item[] {
    const all = [...this.#order.flatMap(({ items }) => items), ...this.#later.map(({ item }) => item)];
    this.#groups.clear();
    this.#order.length = 0;
    this.#later.length = 0;
    this.#size = 0;
    return all.sort(this.#rules.compare);
  }

  #enter(item: Item): void {
    const kind = this.#rules.kindOf(item);
    const group = this.#groups.get(kind);
    if (group === undefined) {
      const made = { kind, items: [item] };
      this.#groups.set(kind, made);
      this.#place(made);
      return;
    }
    const { items } = group;
    const first = items.at(-1);
    insert(items, item, (a, b) => this.#rules.compare(b, a));
    if (items.at(-1) === first) return;
    this.#order.splice(this.#order.indexOf(group), 1);
    this.#place(group);
  }

  #leave(item: Item): boolean {
    const group = this.#groups.get(this.#rules.kindOf(item));
    const at = group?.items.indexOf(item) ?? -1;
    if (group === undefined || at < 0) return false;
    this.#order.splice(this.#order.indexOf(group), 1);
    group.items.splice(at, 1);
    if (group.items.length === 0) this.#groups.delete(group.kind);
    else this.#place(group);
    return true;
  }

  #place(group: Group<Item>): void {
    insert(this.#order, group, (a, b) => this.#compareFirst(a, b));
  }

  #compareFirst(a: Group<Item>, b: Group<Item>): number {
    const [first, second] = [a.items.at(-1), b.items.at(-1)];
    return first === undefined || second === undefined ? 0 : this.#rules.compare(first, second);
  }
}

/** Behind those that are equal to it. */
function insert<Item>(sorted: Item[], item: Item, compare: (a: Item, b: Item) => number): void {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = sorted[middle];
    if (other !== undefined && compare(other, item) <= 0) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, item);
}
