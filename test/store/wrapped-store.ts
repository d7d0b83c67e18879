import type { Store } from '../../src/index.js';

/** A store that does as another one does, but for what is given. */
export function wrapStore(inner: Store, given: Partial<Store> = {}): Store {
  return {
    grouping: inner.grouping,
    durable: inner.durable,
    blobs: inner.blobs,
    append: (group) => inner.append(group),
    read: (log, after, limit) => inner.read(log, after, limit),
    places: (after, limit) => inner.places(after, limit),
    lastPosition: () => inner.lastPosition(),
    heads: (limit, before) => inner.heads(limit, before),
    documents: (prefix) => inner.documents(prefix),
    drop: (logs) => inner.drop(logs),
    close: () => inner.close(),
    ...given,
  };
}
