/** How a worker is started on its host: the words that are the same everywhere, and those that hosts add. */

/** A process to be started here: the worker itself, or the client that starts it elsewhere. */
export interface Launch {
  readonly program: string;
  readonly words: readonly string[];
  /** All that it has of an environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Removes what the process leaves when it was killed: a container goes on without its client. */
  readonly remove?: { readonly program: string; readonly words: readonly string[] };
}

/** What a worker is told on its command line; nothing secret is among it. */
export interface WorkerWords {
  /** What the names of its agents begin with. */
  readonly scope: string;
  readonly maxJobs: number;
  /** Where what commands write is kept, if that is on its machine. */
  readonly evidence?: string | undefined;
}

/** The command of a worker where nobody gives another: this program, found by its name. */
export const WORKER_COMMAND = ['arcp', 'worker', '--commands'] as const;

/** Behind the command of a worker. */
export function workerWords({ scope, maxJobs, evidence }: WorkerWords): readonly string[] {
  return [
    '--stdio',
    '--handover',
    ...['--scope', scope],
    ...['--max-jobs', String(maxJobs)],
    // Whoever stops it has waited for its work, or does not want it.
    ...['--drain', '0'],
    ...(evidence === undefined ? [] : ['--evidence', evidence]),
  ];
}

const KEPT = ['PATH', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ'];

/** Of an environment, what programs and libraries need to work at all. */
export function bareEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  more: readonly string[] = [],
): Record<string, string> {
  return Object.fromEntries(
    [...KEPT, ...more].flatMap((name) => {
      const value = Object.hasOwn(env, name) ? env[name] : undefined;
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}
