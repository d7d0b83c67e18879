/**
 * The children of a job, by the numbers that their agent knows them by: it is not where its job is, but in a thread or in
 * another process.
 */
import type { DelegateOptions } from './agent.js';
import type { JobEvent } from '../protocol/job-event.js';
import type { ChildCall } from './worker-messages.js';

export interface NumberedChildren {
  delegate(
    target: string,
    options?: DelegateOptions,
  ): Promise<{ readonly number: number; readonly jobId: string }>;
  cancel(number: number, reason: string | undefined): void;
  bytes(number: number): Promise<Uint8Array>;
  forget(number: number): void;
  /** Somebody reads the events of a child. */
  read(number: number, reader: number): void;
  next(reader: number): Promise<IteratorResult<JobEvent, undefined>>;
  leave(reader: number): void;
}

/** What the agent asks of them. The arguments are those of the method. */
export function callChild(children: NumberedChildren, method: ChildCall, args: readonly unknown[]): unknown {
  switch (method) {
    case 'delegate':
      return children.delegate(...(args as [string, DelegateOptions?]));
    case 'childCancel':
      children.cancel(...(args as [number, string | undefined]));
      return undefined;
    case 'childBytes':
      return children.bytes(args[0] as number);
    case 'childForget':
      children.forget(args[0] as number);
      return undefined;
    case 'childRead':
      children.read(...(args as [number, number]));
      return undefined;
    case 'childNext':
      return children.next(args[0] as number);
    case 'childLeave':
      children.leave(args[0] as number);
      return undefined;
  }
}
