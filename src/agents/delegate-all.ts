/** Many delegations at once, so many at a time: how each ended is a value, that of one that was refused too. */
import { ArcpError } from '../protocol/errors.js';
import type { ChildOutcome, DelegateAllOptions, DelegateItem, JobContext } from './agent.js';

const DEFAULT_CONCURRENCY = 8;

/** The outcomes, in the order of the items. Rejects with INVALID_ARGUMENT for a concurrency that is none. */
export async function delegateAll(
  delegate: JobContext['delegate'],
  items: readonly DelegateItem[],
  { concurrency = DEFAULT_CONCURRENCY, signal }: DelegateAllOptions = {},
): Promise<ChildOutcome[]> {
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    throw new ArcpError('INVALID_ARGUMENT', 'concurrency: expected an integer from 1');
  const one = async ({ target, ...options }: DelegateItem): Promise<ChildOutcome> => {
    const signals = [signal, options.signal].filter((given) => given !== undefined);
    if (signals.some(({ aborted }) => aborted)) return ABORTED;
    try {
      const all = signals.length === 0 ? {} : { signal: AbortSignal.any(signals) };
      return await (
        await delegate(target, { ...options, ...all })
      ).outcome;
    } catch (error) {
      if (signals.some(({ aborted }) => aborted)) return ABORTED;
      const { code, message, retryable } = ArcpError.from(error);
      return { status: 'failed', code, message, retryable };
    }
  };
  const outcomes: ChildOutcome[] = [];
  const waiting = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of waiting) outcomes[index] = await one(item);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, work));
  return outcomes;
}

const ABORTED: ChildOutcome = { status: 'cancelled', reason: 'the delegation was aborted' };
