/**
 * The form of a scenario: what one client, or several, do at a runtime, step by step, and what must come of it.
 * `spec-fixtures/README.md` describes it for those who write a runner in another language.
 *
 * (S1) A key that the form does not know is a fault: a misspelt expectation would otherwise hold always.
 */
import * as z from 'zod';

export const DIALECTS = ['classic', 'draft'] as const;
export type DialectName = (typeof DIALECTS)[number];

const name = z.string().regex(/^[a-z][a-z0-9_]*$/, 'expected a name of lower-case letters, digits and _');
const connection = name.default('client');
const frame = z.record(z.string(), z.unknown());
const matcher = z.custom<unknown>((value) => value !== undefined, 'expected a matcher');
const milliseconds = z.int().min(1).max(60_000);
const reference = z.string().regex(/^\$/, 'expected a $name');

/** Opens a session: a socket, the handshake, and the acceptance. */
const open = z.strictObject({
  open: name,
  /** Whose token; a role, not a secret. */
  as: z.enum(['a', 'b']).default('a'),
  dialect: z.enum(DIALECTS).optional(),
  /** Classic: merged into the capabilities. */
  capabilities: frame.optional(),
  /** Classic: opt-ins of the peer. */
  extensions: z.array(z.string()).optional(),
  /** Draft: what the client can do; without it, everything that the draft names. */
  features: z.array(z.string()).nullable().optional(),
});

const connect = z.strictObject({ connect: name, dialect: z.enum(DIALECTS).optional() });

/** Sends a frame. What it lacks of an envelope is filled in unless it is `bare`. */
const send = z.strictObject({
  send: frame,
  on: connection,
  /** Under this name stands the frame's id, afterwards. */
  as: name.optional(),
  bare: z.literal(true).optional(),
});

const part = z.union([z.string(), z.strictObject({ repeat: z.string(), times: z.int().min(1) })]);
const sendText = z.strictObject({
  send_text: z.union([z.string(), z.strictObject({ parts: z.array(part).min(1) })]),
  on: connection,
});

const sendBytes = z.strictObject({
  send_bytes: z.string().regex(/^(?:[0-9a-f]{2})*$/, 'expected bytes in lower-case hex'),
  on: connection,
});

/** Names under which parts of the frame stand afterwards, by their path (`payload.job_id`). */
const save = z.record(
  name,
  z.string().regex(/^[a-z_]+(?:\.[a-z0-9_]+)*$/, 'expected a path like payload.job_id'),
);

/** Reads on until a frame matches. None of those before it may be one of `never`. */
const expect = z.strictObject({
  expect: matcher,
  on: connection,
  never: z.array(matcher).default([]),
  save: save.optional(),
});

/** Reads on until each has been matched by a frame of its own, in whatever order. */
const expectAll = z.strictObject({ expect_all: z.array(matcher).min(2), on: connection });

/** No frame that matches comes for so long, nor is there one unread. */
const expectNothing = z.strictObject({ expect_nothing: matcher, on: connection, for_ms: milliseconds });

/** Has the runtime answer a ping; then no unread frame before the answer matches. */
const absent = z.strictObject({ absent: matcher, on: connection });

/** How many of all frames that came on this connection match. */
const count = z.strictObject({ count: matcher, on: connection, is: matcher });

/** The socket is cut without a word. */
const drop = z.strictObject({ drop: name });

/** Goes on with the session of a connection: on a socket of the same name, or another. */
const resume = z.strictObject({
  resume: name,
  of: name.optional(),
  /** The last event that is said to be known; without it, the last that a step has read. */
  after: z.union([z.int().min(0), reference]).optional(),
  /** Draft: by `session.hello` (the default) or by `session.resume`. */
  by: z.enum(['hello', 'resume']).optional(),
});

const expectClose = z.strictObject({ expect_close: name, code: matcher.optional() });

const wait = z.strictObject({ wait_ms: milliseconds });

/** What the chunks of a job's result are together. */
const assemble = z.strictObject({
  assemble: reference,
  on: connection,
  text: z.string().optional(),
  bytes: z.int().min(0).optional(),
  sha256: z.string().optional(),
});

const single = [
  open,
  connect,
  send,
  sendText,
  sendBytes,
  expect,
  expectAll,
  expectNothing,
  absent,
  count,
  drop,
  resume,
  expectClose,
  wait,
  assemble,
] as const;

export type SingleStep = z.output<(typeof single)[number]>;
export type Step = SingleStep | { readonly repeat: number; readonly steps: readonly SingleStep[] };

/** The form of a step by its verb, which is the first key of the form. */
const FORMS: ReadonlyMap<string, z.ZodType> = new Map(
  single.map((form) => [Object.keys(form.shape)[0] ?? '', form]),
);

export const VERBS: readonly string[] = [...FORMS.keys(), 'repeat'];

function formOf(value: unknown): z.ZodType | string {
  if (typeof value !== 'object' || value === null) return 'expected a step';
  const verbs = Object.keys(value).filter((key) => FORMS.has(key) || key === 'repeat');
  const [verb] = verbs;
  if (verb === undefined) return `expected one of ${VERBS.join(', ')}`;
  if (verbs.length > 1) return `${verbs.join(' and ')} are steps of their own`;
  return FORMS.get(verb) ?? repeat;
}

const step = z.unknown().transform((value, ctx): Step => {
  const form = formOf(value);
  if (typeof form === 'string') {
    ctx.issues.push({ code: 'custom', message: form, input: value });
    return z.NEVER;
  }
  const read = form.safeParse(value);
  if (read.success) return read.data as Step;
  for (const issue of read.error.issues) ctx.issues.push({ ...issue, input: value } as never);
  return z.NEVER;
});

const repeat = z.strictObject({
  repeat: z.int().min(1).max(1_000),
  steps: z.lazy(() => z.array(step).min(1)),
});

/** What a runtime must have for the scenario to mean anything. */
const needs = z.strictObject({
  agents: z.array(z.string()).default([]),
  /** Two tokens of two principals; each scenario needs one. */
  two_principals: z.literal(true).optional(),
  /** Classic: capabilities and opt-ins that the runtime must offer. */
  capabilities: z.array(z.string()).default([]),
  extensions: z.array(z.string()).default([]),
  /** Draft: features that the runtime must offer. */
  features: z.array(z.string()).default([]),
});

export const scenarioSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'expected words joined by -'),
  shows: z.string().min(1),
  source: z.string().min(1),
  dialect: z.enum(DIALECTS),
  requirements: z.array(z.string()).min(1),
  needs: needs.default({ agents: [], capabilities: [], extensions: [], features: [] }),
  steps: z.array(step).min(2),
});

export interface Scenario extends z.output<typeof scenarioSchema> {
  /** The file that it stands in, without its ending: what reports group by. */
  readonly topic: string;
}
