/**
 * The form of a case for clients: what a runtime that misbehaves tells of one job, step by step, and what a client must make
 * of it. `spec-fixtures/README.md` describes it for those who write such a runtime in another language.
 *
 * (B1) A case names no message of either dialect: the runtime says it in the dialect that the client opens with.
 * (B2) As in scenarios, a key that the form does not know is a fault.
 */
import * as z from 'zod';
import { DIALECTS } from '../scenarios/scenario.js';

const matcher = z.custom<unknown>((value) => value !== undefined, 'expected a matcher');
const milliseconds = z.int().min(1).max(60_000);
const refusal = z.strictObject({ code: z.string(), message: z.string().min(1), retryable: z.boolean() });

/** What a runtime tells of a job. */
const event = z.union([
  z.strictObject({ accepted: z.literal(true) }),
  z.strictObject({ started: z.literal(true) }),
  z.strictObject({ progress: z.int().min(0) }),
  /** A `log` whose message has so many characters. */
  z.strictObject({ log: z.int().min(1) }),
  z.strictObject({
    chunk: z.strictObject({
      seq: z.int().min(0),
      data: z.string(),
      encoding: z.enum(['utf8', 'base64']).default('utf8'),
      more: z.boolean(),
      result_id: z.string().default('res_play'),
    }),
  }),
  z.strictObject({
    completed: z.strictObject({
      value: z.unknown().optional(),
      result_id: z.string().optional(),
      result_size: z.int().min(0).optional(),
    }),
  }),
  z.strictObject({ failed: refusal }),
  z.strictObject({ cancelled: z.strictObject({ reason: z.string() }) }),
  /** What no dialect knows. */
  z.strictObject({ unknown: z.literal(true) }),
]);

export type RuntimeEvent = z.output<typeof event>;

const tell = z.strictObject({
  tell: event,
  /** It happens and gets its number, but is not sent: only a resume brings it. */
  withhold: z.literal(true).optional(),
  /** Of a job, and in a session, that the client knows nothing of, under this number. */
  astray: z.int().min(1).optional(),
  /** Its fields are joined by some that nobody knows. */
  embellished: z.literal(true).optional(),
});

const part = z.union([z.string(), z.strictObject({ repeat: z.string(), times: z.int().min(1) })]);

const single = [
  tell,
  /** The last so many events once more, as they were. */
  z.strictObject({ again: z.int().min(1) }),
  /** So many `progress` events in one go, from 1. */
  z.strictObject({ flood: z.int().min(1).max(100_000) }),
  /** A refusal of a command that nobody gave. */
  z.strictObject({ refuse_nothing: refusal }),
  z.strictObject({ text: z.union([z.string(), z.strictObject({ parts: z.array(part).min(1) })]) }),
  z.strictObject({ bytes: z.string().regex(/^(?:[0-9a-f]{2})*$/, 'expected bytes in lower-case hex') }),
  /** The runtime asks for a sign of life. */
  z.strictObject({ ping: z.string() }),
  /** The socket is cut without a word. */
  z.strictObject({ drop: z.literal(true) }),
  z.strictObject({ close: z.int().min(1000).max(4999) }),
  /** From now on the runtime says nothing by itself and answers no ping on this connection. */
  z.strictObject({ silence: z.literal(true) }),
  /** It reads nothing for so long. */
  z.strictObject({ deaf_ms: milliseconds }),
  z.strictObject({ wait_ms: milliseconds }),
  /** Waits for the client's next act that matches. */
  z.strictObject({ await: matcher }),
  /** Grants the resume that came last, and tells again what came `after`: by default what the client asks for. */
  z.strictObject({ resume: z.strictObject({ after: z.int().min(0).optional() }) }),
  z.strictObject({ refuse_resume: refusal }),
] as const;

const FORMS: ReadonlyMap<string, z.ZodType> = new Map(
  single.map((form) => [Object.keys(form.shape)[0] ?? '', form]),
);

export type RuntimeStep = z.output<(typeof single)[number]>;

const step = z.unknown().transform((value, ctx): RuntimeStep => {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const form = FORMS.get(keys.find((key) => FORMS.has(key)) ?? '');
  const read = form?.safeParse(value);
  if (read?.success === true) return read.data as RuntimeStep;
  const issues = read?.error.issues ?? [
    { code: 'custom', message: `expected one of ${[...FORMS.keys()].join(', ')}`, path: [] },
  ];
  for (const issue of issues) ctx.issues.push({ ...issue, input: value } as never);
  return z.NEVER;
});

export const clientCaseSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'expected words joined by -'),
  shows: z.string().min(1),
  source: z.string().min(1),
  requirements: z.array(z.string()).min(1),
  dialects: z
    .array(z.enum(DIALECTS))
    .min(1)
    .default([...DIALECTS]),
  /** How the first handshake is refused; without it, it is granted. */
  refuse_open: refusal.optional(),
  /** What the runtime does once `play` is invoked. */
  runtime: z.array(step).default([]),
  /** What the client reports of `play`. */
  report: matcher,
  /** How many of all acts of the client match. */
  counts: z.array(z.strictObject({ of: matcher, is: matcher })).default([]),
  /** No act of the client is one of these. */
  never: z.array(matcher).default([]),
});

export interface ClientCase extends z.output<typeof clientCaseSchema> {
  /** The file that it stands in, without its ending. */
  readonly topic: string;
}
