/**
 * What a check of a file found. An error keeps it from being used; a warning is what its author most likely did not mean.
 * Messages show names and places, never values that could be secrets.
 */
import { problemsIn } from '../protocol/issues.js';
import type { z } from 'zod';
import { keyPlaceOf, placeOf, type Located, type Place } from './located.js';

export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly line: number;
  readonly column: number;
  /** The path of keys to it, e.g. `tasks[2].scorer.pattern`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

type Path = readonly PropertyKey[];

export class Problems {
  readonly #root: Located;
  readonly #max: number;
  readonly #found: Problem[] = [];

  /** @param max problems that are kept; further ones are not looked for */
  constructor(root: Located, max: number) {
    this.#root = root;
    this.#max = max;
  }

  /** By place, at most `max`. */
  get all(): readonly Problem[] {
    return this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column);
  }

  get isFull(): boolean {
    return this.#found.length >= this.#max;
  }

  error(path: Path, message: string): void {
    this.#add('error', path, message, placeOf(this.#root, path));
  }

  warning(path: Path, message: string): void {
    this.#add('warning', path, message, placeOf(this.#root, path));
  }

  /** Of a key that should not be there. */
  errorOfKey(path: Path, message: string): void {
    this.#add('error', path, message, keyPlaceOf(this.#root, path));
  }

  /** Of a key that should not be there. */
  warnOfKey(path: Path, message: string): void {
    this.#add('warning', path, message, keyPlaceOf(this.#root, path));
  }

  /** What a schema found wrong with the value at `path`. */
  issues(path: Path, value: unknown, { issues }: z.ZodError): void {
    for (const { path: inner, message } of problemsIn(issues, value)) {
      const isMissing = message.startsWith('missing, ');
      this.error([...path, ...inner], isMissing ? message.replace(' without lone surrogates', '') : message);
    }
  }

  #add(severity: Problem['severity'], path: Path, message: string, { line, column }: Place): void {
    if (this.isFull) return;
    this.#found.push({ severity, line, column, path: pathText(path), message });
  }
}

function pathText(path: Path): string {
  const text = path
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      const name = String(step);
      return /^[A-Za-z_][\w-]{0,79}$/.test(name) ? `.${name}` : `[${JSON.stringify(name.slice(0, 80))}]`;
    })
    .join('');
  return text.startsWith('.') ? text.slice(1) : text;
}
