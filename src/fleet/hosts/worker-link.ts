/**
 * One worker of a run: started when it is first needed, and again when it was lost.
 *
 * (L1) It is asked for by whoever has a task for it: an attempt at the task is an attempt at its worker, so that the
 *      task's policy bounds how often it is started. Beside, one that ended soon is not started again at once.
 * (L2) Its session is that of its pipe: when the process ends, the session has ended, and its jobs are lost at once.
 * (L3) No error shows what it was handed: what it prints is redacted before it is told.
 */
import type { Readable, Writable } from 'node:stream';
import type { Clock, Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { encodeHandover, type Handover } from './handover.js';
import { HostProcess } from './host-process.js';
import type { Launch } from './launch.js';

/** What a session over a pair of pipes comes to. */
export interface PipeSession {
  readonly principal: string;
  readonly token: string | undefined;
  readonly scope: string;
  /** The agents that it hosts, as `name@version`, and why not others. */
  readonly opened: (hosting: PipeHosting) => void;
  readonly closed: () => void;
}

export interface PipeHosting {
  readonly hosted: readonly string[];
  readonly refused: readonly { readonly agent: string; readonly code: string; readonly message: string }[];
}

/** Gives a runtime the connection that the pipes of a process are. */
export type AttachPipes = (pipes: { readable: Readable; writable: Writable }, session: PipeSession) => void;

export interface LinkOptions {
  readonly id: string;
  readonly scope: string;
  readonly principal: string;
  readonly clock: Clock;
  readonly cwd: string;
  /** Different at each start. */
  readonly newMark: () => string;
  /** What it takes to start it: asked each time, just before. Rejects where it may not or cannot be started. */
  readonly prepare: () => Promise<{ readonly launch: Launch; readonly handover: Handover }>;
  readonly attach: AttachPipes;
  /** A line that it printed. */
  readonly print: (line: string) => void;
  readonly redact: (text: string) => string;
  readonly changed: (change: WorkerChange) => void;
}

export type WorkerChange = { readonly state: 'connected' } | { readonly state: 'lost'; readonly why: string };

type Phase =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'starting';
      readonly started: Promise<readonly string[]>;
      process: HostProcess | undefined;
    }
  | {
      readonly kind: 'online';
      readonly hosted: readonly string[];
      readonly process: HostProcess;
      readonly since: number;
    }
  | { readonly kind: 'stopped' };

export class WorkerLink {
  readonly #options: LinkOptions;
  #phase: Phase = { kind: 'idle' };
  /** Starts in a row that did not last (L1). */
  #unsteady = 0;
  #notBefore = 0;
  /** Processes that are ending. */
  readonly #ending = new Set<Promise<unknown>>();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#phase.kind === 'online' ? this.#phase.process.pid : undefined;
  }

  /** The agents that it hosts, as `name@version`; starts it where it does not run. Rejects with UNAVAILABLE or why not. */
  hosted(): Promise<readonly string[]> {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'online':
        return Promise.resolve(phase.hosted);
      case 'starting':
        return phase.started;
      case 'stopped':
        return Promise.reject(new ArcpError('ABORTED', `worker ${this.#options.id} was stopped`));
      case 'idle':
        return this.#begin();
    }
  }

  /** Ends what runs; the next who asks for it has it started again. */
  restart(why: string): void {
    const phase = this.#phase;
    if (phase.kind === 'online') this.#lost(phase.process, why);
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    const phase = this.#phase;
    this.#phase = { kind: 'stopped' };
    if (phase.kind === 'online' || phase.kind === 'starting') this.#stop(phase.process);
    if (phase.kind === 'starting') await phase.started.catch(() => undefined);
    await Promise.all(this.#ending);
  }

  #begin(): Promise<readonly string[]> {
    const { clock, id } = this.#options;
    const wait = this.#notBefore - clock.now();
    if (wait > 0) {
      const message = `worker ${id} ended soon ${this.#unsteady} times; it may be started again in ${Math.ceil(wait)} ms`;
      return Promise.reject(new ArcpError('UNAVAILABLE', message, { retryable: true }));
    }
    const starting: Extract<Phase, { kind: 'starting' }> = {
      kind: 'starting',
      started: this.#start((process) => {
        starting.process = process;
        return this.#phase === starting;
      }),
      process: undefined,
    };
    this.#phase = starting;
    starting.started.then(
      (hosted) => {
        const { process } = starting;
        if (this.#phase !== starting || process === undefined) return;
        this.#phase = { kind: 'online', hosted, process, since: clock.now() };
        this.#options.changed({ state: 'connected' });
        void process.ended.then((how) => {
          this.#lost(process, how);
        });
      },
      () => {
        if (this.#phase !== starting) return;
        this.#phase = { kind: 'idle' };
        this.#countUnsteady();
      },
    );
    return starting.started;
  }

  async #start(began: (process: HostProcess) => boolean): Promise<readonly string[]> {
    const { id, scope, principal, clock, cwd, newMark, prepare, attach, print, redact } = this.#options;
    // What the one before had started has ended before anything is started again.
    await Promise.all(this.#ending);
    const { launch, handover } = await prepare();
    const process = new HostProcess(launch, {
      clock,
      cwd,
      mark: newMark(),
      print: (line) => print(redact(line)),
    });
    if (!began(process)) this.#stop(process);
    let late: Timer | undefined;
    try {
      const hosting = await new Promise<PipeHosting>((resolve, reject) => {
        const fail = (why: string): void => {
          const last = redact(process.lastLine);
          const message = `worker ${id} did not come up: ${why}${last === '' ? '' : `: ${last}`}`;
          reject(new ArcpError('UNAVAILABLE', message, { retryable: true }));
        };
        void process.ended.then(fail);
        late = clock.timer(DEFAULT_FLEET_LIMITS.workerStartMs, () => {
          fail(`it said nothing for ${DEFAULT_FLEET_LIMITS.workerStartMs} ms`);
        });
        // What cannot be written is told by the end of the process.
        process.stdin.on('error', () => undefined);
        process.stdin.write(encodeHandover(handover));
        attach(
          { readable: process.stdout, writable: process.stdin },
          {
            principal,
            token: handover.token,
            scope,
            opened: resolve,
            closed: () => {
              // (L2)
              fail('its connection ended');
              this.#lost(process, 'its connection ended');
              this.#stop(process);
            },
          },
        );
      });
      if (hosting.hosted.length > 0) return hosting.hosted;
      const [first] = hosting.refused;
      const why =
        first === undefined ? 'it hosts no agents' : `${first.agent}: ${first.code}: ${first.message}`;
      throw new ArcpError('FAILED_PRECONDITION', redact(`worker ${id} hosts nothing: ${why}`));
    } catch (error) {
      this.#stop(process);
      throw error;
    } finally {
      late?.cancel();
    }
  }

  #lost(process: HostProcess, why: string): void {
    const phase = this.#phase;
    if (phase.kind !== 'online' || phase.process !== process) return;
    this.#phase = { kind: 'idle' };
    const lived = this.#options.clock.now() - phase.since;
    if (lived < DEFAULT_FLEET_LIMITS.workerSteadyMs) this.#countUnsteady();
    else this.#unsteady = 0;
    this.#stop(process);
    this.#options.changed({ state: 'lost', why });
  }

  /** The first may be started again at once. */
  #countUnsteady(): void {
    const { workerBackoffMs, maxWorkerBackoffMs } = DEFAULT_FLEET_LIMITS;
    this.#unsteady += 1;
    const wait =
      this.#unsteady === 1 ? 0 : Math.min(maxWorkerBackoffMs, workerBackoffMs * 2 ** (this.#unsteady - 2));
    this.#notBefore = this.#options.clock.now() + wait;
  }

  #stop(process: HostProcess | undefined): void {
    if (process === undefined) return;
    process.stop();
    const { ended } = process;
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }
}
