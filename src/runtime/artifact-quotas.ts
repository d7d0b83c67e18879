/** How much the artifacts of each principal take up (law L7). What is refused here is not begun. */
import { ArcpError } from '../protocol/errors.js';
import type { Limits } from './limits.js';

interface Held {
  artifacts: number;
  bytes: number;
  inFlight: number;
}

export class ArtifactQuotas {
  readonly #limits: Limits;
  readonly #held = new Map<string, Held>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** One more artifact. */
  add(quota: string): void {
    const { artifacts } = this.#of(quota);
    if (artifacts >= this.#limits.maxArtifactsPerPrincipal) {
      throw exhausted(`${artifacts} artifacts are kept already: release some`);
    }
    this.#change(quota, { artifacts: 1 });
  }

  /** An artifact becomes larger. */
  grow(quota: string, bytes: number): void {
    const { maxArtifactBytesPerPrincipal } = this.#limits;
    if (this.#of(quota).bytes + bytes > maxArtifactBytesPerPrincipal) {
      throw exhausted(`the artifacts would be over ${maxArtifactBytesPerPrincipal} bytes: release some`);
    }
    this.#change(quota, { bytes });
  }

  /** What an earlier life kept counts, be it over the limit or not. */
  restore(quota: string, bytes: number): void {
    this.#change(quota, { artifacts: 1, bytes });
  }

  shrink(quota: string, bytes: number): void {
    this.#change(quota, { bytes: -bytes });
  }

  remove(quota: string, bytes: number): void {
    this.#change(quota, { artifacts: -1, bytes: -bytes });
  }

  /** Does something that holds a part in memory. */
  async whileInFlight<T>(quota: string, run: () => Promise<T>): Promise<T> {
    const { inFlight } = this.#of(quota);
    if (inFlight >= this.#limits.maxArtifactPartsInFlight) {
      throw exhausted(`${inFlight} parts are on their way already: wait for an answer`);
    }
    this.#change(quota, { inFlight: 1 });
    try {
      return await run();
    } finally {
      this.#change(quota, { inFlight: -1 });
    }
  }

  #of(quota: string): Readonly<Held> {
    return this.#held.get(quota) ?? { artifacts: 0, bytes: 0, inFlight: 0 };
  }

  #change(quota: string, { artifacts = 0, bytes = 0, inFlight = 0 }: Partial<Held>): void {
    const held = this.#of(quota);
    const next = {
      artifacts: held.artifacts + artifacts,
      bytes: held.bytes + bytes,
      inFlight: held.inFlight + inFlight,
    };
    if (next.artifacts === 0 && next.inFlight === 0) this.#held.delete(quota);
    else this.#held.set(quota, next);
  }
}

function exhausted(message: string): ArcpError {
  return new ArcpError('RESOURCE_EXHAUSTED', message);
}
