/** The events that a run of `spec-fixtures/agents.json` says are told, held against those that were. */
import { expect } from 'vitest';

export interface ExpectedEvent {
  readonly type: string;
  readonly payload?: Readonly<Record<string, unknown>> & { readonly message?: string };
  /** May be missing: what not every runtime tells. */
  readonly optional?: boolean;
}

interface ToldEvent {
  readonly type: string;
  readonly payload: unknown;
}

/** Fails unless exactly these are told, in this order, with these payloads; an optional one may be missing. */
export function expectEvents(told: readonly ToldEvent[], expected: readonly ExpectedEvent[]): void {
  const due = withoutMissing(told, expected);
  expect(told.map(({ type }) => type)).toEqual(due.map(({ type }) => type));
  for (const [index, one] of due.entries()) expectEvent(told[index], one);
}

/** What is optional counts as missing where something else is in its place. */
function withoutMissing(told: readonly ToldEvent[], expected: readonly ExpectedEvent[]): ExpectedEvent[] {
  const due: ExpectedEvent[] = [];
  for (const one of expected) if (one.optional !== true || fits(told[due.length], one)) due.push(one);
  return due;
}

function fits(event: ToldEvent | undefined, expected: ExpectedEvent): boolean {
  try {
    expectEvent(event, expected);
    return true;
  } catch {
    return false;
  }
}

function expectEvent(event: ToldEvent | undefined, { type, payload }: ExpectedEvent): void {
  const { message, ...fields } = payload ?? {};
  expect(event).toMatchObject({ type, ...(payload && { payload: fields }) });
  if (message !== undefined)
    expect(event?.payload).toHaveProperty('message', expect.stringContaining(message));
}
