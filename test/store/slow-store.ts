import { memoryStore, type Store, type Write } from '../../src/index.js';
import { Completion } from '../../src/runtime/completion.js';
import { wrapStore } from './wrapped-store.js';

/** A store whose every group waits for the test. */
export function slowStore(given: Partial<Store> = {}) {
  const inner = memoryStore();
  const groups: { readonly records: readonly Write[]; readonly done: Completion }[] = [];
  const slow = {
    groups,
    atOnce: false,
    /** Commits the oldest group. */
    commit(): void {
      const group = groups.shift();
      void inner.append(group?.records ?? []);
      group?.done.resolve();
    },
    refuse(): void {
      groups.shift()?.done.reject(new Error('disk full'));
    },
  };
  const store = wrapStore(inner, {
    ...given,
    append: (records) => {
      if (slow.atOnce) return inner.append(records);
      const done = new Completion();
      groups.push({ records, done });
      return done.promise;
    },
  });
  return Object.assign(slow, store);
}
