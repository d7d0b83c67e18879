/**
 * Token files that are followed while a runtime serves: the system tells of changes, and where it does not (network
 * folders), they are looked at every few seconds.
 */
import { statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { systemClock, type Clock, type Timer } from '../clock.js';

/** How often files are looked at, whatever the system tells. */
const LOOK_EVERY_MS = 5_000;

export class TokenFiles {
  readonly #paths: readonly string[];
  readonly #clock: Clock;
  #seen: string;
  #watchers: FSWatcher[] = [];
  #timer: Timer | undefined;
  #changed: () => void = () => undefined;

  /** A change after this counts, so make it before the files are read. */
  constructor(paths: readonly string[], clock: Clock = systemClock) {
    this.#paths = paths;
    this.#clock = clock;
    this.#seen = this.#look();
  }

  /** Calls `changed` after each change until `stop`. It may not throw. */
  follow(changed: () => void): void {
    if (this.#paths.length === 0) return;
    this.#changed = changed;
    for (const path of this.#paths) this.#watch(path);
    this.#check();
  }

  stop(): void {
    this.#timer?.cancel();
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  /** The folder is watched: a file that is replaced whole is another file. */
  #watch(path: string): void {
    try {
      const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(path)) this.#check();
      });
      watcher.on('error', () => {
        watcher.close();
      });
      this.#watchers.push(watcher);
    } catch {
      // Then looking is all there is.
    }
  }

  #check(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(LOOK_EVERY_MS, () => {
      this.#check();
    });
    const now = this.#look();
    if (now === this.#seen) return;
    this.#seen = now;
    this.#changed();
  }

  #look(): string {
    return this.#paths.map(stampOf).join(' ');
  }
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? 'none' : `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}
