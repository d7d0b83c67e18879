/**
 * The patterns of one capability: whether they cover a target, and whether they cover all that others do.
 * Which forms a target has, and what a pattern means, is for its kind: see `targets/`. Names of models have a rule of
 * their own (`model-pattern.ts`).
 */
import type { TargetKind } from './lease-capability.js';
import { matchesModel, subsumesModel } from './model-pattern.js';
import { isContained, type Texts } from './pattern-containment.js';
import { matchesProgram, type Program, type Steps } from './pattern-program.js';
import { agentPattern, canonicalName, namePattern } from './targets/name.js';
import { canonicalPath, pathPattern } from './targets/path.js';
import { canonicalUrls, urlPattern } from './targets/url.js';

/**
 * The forms in which a target is looked for in a lease, the first to be shown and acted on. All must be covered; most
 * targets have one.
 * @throws ArcpError INVALID_ARGUMENT for what is no such target.
 */
export function canonicalTargets(kind: TargetKind, target: string): readonly [string, ...string[]] {
  switch (kind) {
    case 'path':
      return [canonicalPath(target)];
    case 'url':
      return canonicalUrls(target);
    case 'name':
    case 'agent':
    case 'model':
      return [canonicalName(target)];
  }
}

/** @throws ArcpError INVALID_ARGUMENT for a pattern that makes no sense. */
export function compilePattern(kind: Exclude<TargetKind, 'model'>, pattern: string): Program {
  switch (kind) {
    case 'path':
      return pathPattern(pattern);
    case 'url':
      return urlPattern(pattern);
    case 'name':
      return namePattern(pattern);
    case 'agent':
      return agentPattern(pattern);
  }
}

/** Canonical paths have no empty segments, which patterns would have to cover. */
const TEXTS: Readonly<Partial<Record<TargetKind, Texts>>> = { path: { separator: '/'.charCodeAt(0) } };

export class TargetPatterns {
  readonly kind: TargetKind;
  readonly sources: readonly string[];
  readonly #programs: readonly Program[];

  /** @throws ArcpError INVALID_ARGUMENT for a pattern that makes no sense. */
  constructor(kind: TargetKind, sources: readonly string[]) {
    this.kind = kind;
    this.sources = sources;
    this.#programs = kind === 'model' ? [] : sources.map((source) => compilePattern(kind, source));
  }

  /** Whether a canonical form of a target is covered. */
  covers(form: string, steps?: Steps): boolean {
    return this.kind === 'model'
      ? this.sources.some((pattern) => matchesModel(pattern, form))
      : this.#programs.some((program) => matchesProgram(program, form, steps));
  }

  /** The patterns of `inner`, of the same kind, that reach beyond these; sound, see `isContained`. */
  exceededBy(inner: TargetPatterns, steps: Steps = { count: 0 }): readonly string[] {
    const own = new Set(this.sources);
    return inner.sources.filter((source, index) => {
      if (own.has(source)) return false;
      if (this.kind === 'model') return !this.sources.some((outer) => subsumesModel(outer, source));
      const program = inner.#programs[index];
      return program === undefined || !isContained(program, this.#programs, steps, TEXTS[this.kind]);
    });
  }
}
