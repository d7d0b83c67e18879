/** What the exit status of `arcp` says. */
export const EXIT = {
  completed: 0,
  /** The job failed or was cancelled, or the runtime refused what was asked. */
  failed: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** No runtime answered, it did not let us in, or it was lost before the job ended. */
  notConnected: 3,
  /** After Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
