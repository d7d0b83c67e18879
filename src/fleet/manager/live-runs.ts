/** The runs that go on in this process, by their ids. */
import { ArcpError } from '../../protocol/errors.js';
import type { RunCommand } from './run-command.js';

export interface LiveRun {
  readonly principal: string;
  /** Resolves once what was told is committed. Throws FAILED_PRECONDITION where it cannot be done now, NOT_FOUND. */
  control(command: RunCommand): Promise<void>;
  /** Resolves once what is shown of it is true now. */
  refresh(): Promise<void>;
}

export class LiveRuns {
  readonly #runs = new Map<string, LiveRun>();

  /** Returns what takes it out again. */
  add(runId: string, run: LiveRun): () => void {
    this.#runs.set(runId, run);
    return () => {
      if (this.#runs.get(runId) === run) this.#runs.delete(runId);
    };
  }

  get(runId: string): LiveRun | undefined {
    return this.#runs.get(runId);
  }

  /** Throws FAILED_PRECONDITION where it does not go on here. */
  require(runId: string): LiveRun {
    const run = this.#runs.get(runId);
    if (run !== undefined) return run;
    throw new ArcpError('FAILED_PRECONDITION', `the run ${runId} does not go on: it has ended`);
  }

  /** Of one principal, so that what is listed is true now. */
  async refresh(principal: string): Promise<void> {
    const own = [...this.#runs.values()].filter((run) => run.principal === principal);
    await Promise.all(own.map((run) => run.refresh()));
  }
}
