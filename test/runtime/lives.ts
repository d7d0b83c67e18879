/** Runtimes that follow one another on the same data, as after `kill -9`: what was not committed never happened. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore, sqliteStore, type RuntimeOptions, type Store } from '../../src/index.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench, type Bench } from './bench.js';

export interface Lives {
  /** Starts the next life; the one before it is dead, and nothing that it still does counts. */
  next(
    options?: Omit<RuntimeOptions, 'clock' | 'store'>,
    /** When it begins, in milliseconds since the epoch. Default: when every test begins. */
    at?: number,
    /** What is to be there before the life takes up what was before it. */
    prepare?: (life: Bench & { readonly store: Store }) => Promise<void>,
  ): Promise<Bench & { readonly store: Store }>;
  end(): Promise<void>;
}

/** Data that lives are lived on: `open` gives its store, to be lost with the life. */
interface Data {
  open(): Store;
  dispose(): void;
}

/** A store in memory that keeps its logs when a runtime closes it; a dead life's writes are refused. */
function memoryData(): Data {
  const inner = memoryStore();
  let life = 0;
  return {
    open() {
      life += 1;
      const mine = life;
      return wrapStore(inner, {
        durable: true,
        grouping: { kind: 'batch', writes: 64 },
        append(group) {
          if (mine !== life) throw new Error('this life is over');
          return inner.append(group);
        },
        drop: (logs) => (mine === life ? inner.drop(logs) : undefined),
        close: () => undefined,
      });
    },
    dispose: () => {
      void inner.close();
    },
  };
}

/** A file of which the next life gets the copy that was on disk when the one before it died. */
function sqliteData(): Data {
  const parent = mkdtempSync(join(tmpdir(), 'arcp-lives-'));
  let life = 0;
  const folder = (): string => join(parent, String(life));
  return {
    open() {
      const before = folder();
      life += 1;
      if (life > 1) cpSync(before, folder(), { recursive: true });
      return sqliteStore({ folder: folder(), durability: 'normal' });
    },
    dispose: () => {
      rmSync(parent, { recursive: true, force: true });
    },
  };
}

export const DATA: [name: string, make: () => Data][] = [
  ['memory', memoryData],
  ['sqlite', sqliteData],
];

export function lives(data: Data, common: Omit<RuntimeOptions, 'clock' | 'store'>): Lives {
  const all: Bench[] = [];
  return {
    async next(options = {}, at = 0, prepare = () => Promise.resolve()) {
      const store = data.open();
      const life = { ...bench({ ...common, ...options, store }), store };
      all.push(life);
      await life.clock.advance(Math.max(0, at - life.clock.now()));
      await prepare(life);
      await life.runtime.recover();
      return life;
    },
    async end() {
      for (const life of all) await life.close();
      data.dispose();
    },
  };
}
