/** Agents on strings: they do nothing until a test pulls one, so that a test knows every event that there will be. */
import { defineAgent, type Agent, type JobContext } from '../../src/index.js';

export interface Puppet {
  readonly ctx: JobContext;
  finish(): void;
  fail(): void;
}

/** `mortal` fails with its runtime, `phoenix` is started again, `sleeper` goes on from its latest checkpoint. */
export type PuppetName = 'mortal' | 'phoenix' | 'sleeper';

export class Puppets {
  /** By job id: the latest attempt of each. */
  readonly #running = new Map<string, Puppet>();

  get(jobId: string): Puppet {
    const puppet = this.#running.get(jobId);
    if (puppet === undefined) throw new Error(`${jobId} does not run`);
    return puppet;
  }

  has(jobId: string): boolean {
    return this.#running.has(jobId);
  }

  /** The process that they ran in is dead. */
  die(): void {
    this.#running.clear();
  }

  agents(): Agent[] {
    return [
      this.#define('mortal', 'fail'),
      this.#define('phoenix', 'restart'),
      this.#define('sleeper', 'resume'),
    ];
  }

  #define(name: PuppetName, recovery: Agent['recovery']): Agent {
    return defineAgent({
      name,
      version: '1.0.0',
      recovery,
      run: (_input, ctx) =>
        new Promise((resolve, reject) => {
          // One of an earlier life, which hears of its end late, must not take the present one away.
          const leave = (settle: () => void) => (): void => {
            if (this.#running.get(ctx.jobId) === puppet) this.#running.delete(ctx.jobId);
            settle();
          };
          const puppet: Puppet = {
            ctx,
            finish: leave(() => {
              resolve('done');
            }),
            fail: leave(() => {
              reject(new Error('told to'));
            }),
          };
          const stopped = leave(() => {
            reject(ctx.signal.reason as Error);
          });
          ctx.signal.addEventListener('abort', stopped);
          this.#running.set(ctx.jobId, puppet);
        }),
    });
  }
}
