/**
 * What an agent asks: of the runtime, whether it may act (`check_only`); of people; and of the tools of the runtime.
 *
 * `permission.request` with `check_only` is answered at once by `permission.grant`, whose `resource` is the target in the
 * form in which to act on it, or by `permission.deny` with a code. What classic has no message for is an `event.emit` of a
 * name, answered by one of the same name.
 */
import type { Envelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Id } from '../../protocol/ids.js';
import type { Payload } from '../../protocol/messages.js';
import { BUDGET_PERMISSION } from '../../protocol/payloads/permissions.js';
import { parseTimestamp } from '../../protocol/timestamp.js';
import type { Json } from '../agent.js';
import type { JsonSchema } from '../questions.js';
import type { JobConversation } from './conversation.js';

/** `event.emit` of these names asks what the answer's `data` says. */
export const ASKS = {
  /** What people said who interrupted the job: `[{prompt, value}]`. */
  guidance: 'job.guidance',
  /** What is left of each budgeted currency: `{USD: '4.20'}`. */
  remaining: 'lease.remaining',
} as const;

/** The permission to use a model, which `check_only` also chooses; no resource is the profile's own route. */
const MODEL = 'model.use';

export function answerEmitted(job: JobConversation, envelope: Envelope<'event.emit'>): void {
  const { name } = envelope.payload;
  const ask =
    name === ASKS.guidance
      ? () => job.ctx.guidance()
      : name === ASKS.remaining
        ? () => job.ctx.lease.remaining()
        : undefined;
  if (ask === undefined) {
    job.ctx.emit(name, envelope.payload.data as Json);
    return;
  }
  job.act<unknown>(envelope, {
    kind: name === ASKS.guidance ? 'long' : 'brief',
    work: ask,
    done: (data) => {
      job.say('event.emit', { name, data }, { correlationId: envelope.id });
    },
  });
}

export function askPermission(job: JobConversation, envelope: Envelope<'permission.request'>): void {
  const { permission, resource, operation } = envelope.payload;
  const gate = { permission, resource, operation };
  job.act(envelope, {
    // Even a check: of what its lease does not cover the owner of the job may be asked.
    kind: 'long',
    work: () => grantOf(job, envelope.payload),
    done: (granted) => {
      job.say('permission.grant', { ...gate, ...granted }, { correlationId: envelope.id });
    },
    refused: ({ code, message }) => {
      job.say('permission.deny', { ...gate, reason: message, code }, { correlationId: envelope.id });
    },
  });
}

async function grantOf(
  job: JobConversation,
  payload: Payload<'permission.request'>,
): Promise<Partial<Payload<'permission.grant'>>> {
  const { permission, resource, operation, reason, requested_lease_seconds, expires_at, key, check_only } =
    payload;
  const { ctx } = job;
  if (check_only === true) {
    if (permission !== MODEL) return { resource: await ctx.authorize(permission, resource) };
    const { model, provider } = await ctx.model.use(resource === '' ? undefined : resource);
    return { resource: model, ...(provider === null ? {} : { provider }) };
  }
  const common = {
    ...(reason === undefined ? {} : { reason }),
    ...expiryOf(job, expires_at),
    ...(key === undefined ? {} : { key }),
  };
  if (permission === BUDGET_PERMISSION) {
    const colon = resource.indexOf(':');
    if (colon < 0) throw new ArcpError('INVALID_ARGUMENT', 'resource: expected CURRENCY:amount');
    await ctx.requestBudget(resource.slice(0, colon), resource.slice(colon + 1), common);
    return {};
  }
  const seconds = requested_lease_seconds === undefined ? {} : { leaseSeconds: requested_lease_seconds };
  const lease = await ctx.requestPermission({ permission, resource, operation, ...seconds, ...common });
  return { lease_id: lease.leaseId as Id<'lease'>, expires_at: lease.expiresAt };
}

export function askInput(job: JobConversation, envelope: Envelope<'human.input.request'>): void {
  const { prompt, response_schema, default: standsIn } = envelope.payload;
  const options = {
    ...optionsOf(job, envelope.payload),
    schema: response_schema as JsonSchema,
    ...(standsIn === undefined ? {} : { default: standsIn as Json }),
  };
  job.act(envelope, {
    kind: 'long',
    work: () => job.ctx.ask(prompt, options),
    done: (value) => {
      job.say('human.input.response', { value, ...answered(job) }, { correlationId: envelope.id });
    },
    refused: withdraw(job, envelope),
  });
}

export function askChoice(job: JobConversation, envelope: Envelope<'human.choice.request'>): void {
  const { prompt, options, default: standsIn } = envelope.payload;
  const more = {
    ...optionsOf(job, envelope.payload),
    ...(standsIn === undefined ? {} : { default: standsIn }),
  };
  job.act(envelope, {
    kind: 'long',
    work: () => job.ctx.choose(prompt, options, more),
    done: (choice_id) => {
      job.say('human.choice.response', { choice_id, ...answered(job) }, { correlationId: envelope.id });
    },
    refused: withdraw(job, envelope),
  });
}

/** A tool of the runtime. */
export function callTool(job: JobConversation, envelope: Envelope<'tool.invoke'>): void {
  const { tool, arguments: args } = envelope.payload;
  job.act(envelope, {
    kind: 'long',
    work: () => job.ctx.tools.call(tool, args),
    done: (value) => {
      job.say('tool.result', { value }, { correlationId: envelope.id });
    },
    refused: (error) => {
      job.say('tool.error', error.toPayload(), { correlationId: envelope.id });
    },
  });
}

function withdraw(job: JobConversation, { id }: { readonly id: `msg_${string}` }) {
  return ({ code, message }: ArcpError): void => {
    job.say('human.input.cancelled', { code, message }, { correlationId: id });
  };
}

/** Who answered is in the job's log, not here. */
function answered({ link }: JobConversation) {
  return { responded_by: '', responded_at: new Date(link.now()).toISOString() };
}

function optionsOf(
  job: JobConversation,
  { expires_at, destination, key }: { expires_at: string; destination?: unknown; key?: string | undefined },
) {
  return {
    ...expiryOf(job, expires_at),
    ...(destination === undefined ? {} : { destination: destination as Json }),
    ...(key === undefined ? {} : { key }),
  };
}

/** What ran out on its way here ends as any question does that nobody answered. */
function expiryOf({ link }: JobConversation, at: string | undefined): { readonly expiresInMs?: number } {
  const instant = at === undefined ? undefined : parseTimestamp(at);
  return instant === undefined ? {} : { expiresInMs: Math.max(1, instant - link.now()) };
}
