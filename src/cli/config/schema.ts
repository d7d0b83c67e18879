/**
 * The config file of `arcp serve`: one schema, from which the checks, the types and the advice on misspelt keys come.
 * A key that it does not have is a mistake. Paths are meant from the file's own folder.
 */
import * as z from 'zod';
import { ArcpError, parseAgentRef, parseBudget, TRUST_LEVELS } from '../../protocol/index.js';
import { LIMITS, type LimitName } from '../../runtime/limits.js';
import { Recurrence } from '../../runtime/recurrence.js';
import { isServerName } from '../../mcp/names.js';
import { LOG_LEVELS } from '../logging.js';
import { parseHandoffTarget, parseHttpUrl, parseOrigin, parseUrl } from '../options.js';
import { variable } from './secrets.js';
import { duration, limit, readAs } from './units.js';

const words = z.string('expected text').min(1, 'expected text, not blank');
const flag = z.boolean('expected true or false');

/** Text that a reader takes as it is; what the reader throws is what is wrong with it. */
function checked(read: (text: string) => unknown) {
  return words.superRefine((text, ctx) => {
    try {
      read(text);
    } catch (error) {
      ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  });
}

const oneOf = <const Words extends readonly [string, ...string[]]>(choices: Words) =>
  z.enum(choices, `expected one of ${choices.join(', ')}`);

const agent = z
  .strictObject(
    {
      /** A `.js` or `.mjs` file that exports agents. */
      module: words.optional(),
      /** The name of an MCP server, whose tools are agents `NAME.tool`. */
      mcp: words.refine(isServerName, 'expected 1 to 64 of a-z 0-9 _ -').optional(),
      /** `NAME@VERSION` of an agent that is a process. */
      process: checked(readPinned).optional(),
      /** Whether jobs of the process may do everything where they have no lease. */
      trusted: flag.optional(),
      /** What starts an MCP server, in the file's folder, or a process; in words. */
      command: z.array(words, 'expected a list of words').min(1, 'expected a program').optional(),
      /** Environment variables that it gets, by name. */
      env: z.array(variable, 'expected a list of names').optional(),
    },
    'expected an object such as {"module": "agents.mjs"}',
  )
  .superRefine(({ module, mcp, process, command, env, trusted }, ctx) => {
    const wrong = (message: string): void => {
      ctx.addIssue({ code: 'custom', message });
    };
    if ([module, mcp, process].filter((one) => one !== undefined).length !== 1)
      wrong('expected one of module, mcp and process');
    if (module === undefined && command === undefined) wrong('expected a command');
    if (module !== undefined && command !== undefined) wrong('a module has no command');
    if (mcp === undefined && env !== undefined) wrong('env is of mcp; that of processes is process.env');
    if (process === undefined && trusted !== undefined) wrong('trusted is of process');
  });

/** @throws ArcpError for a reference that pins no version */
function readPinned(text: string): void {
  if (parseAgentRef(text).version === undefined)
    throw new ArcpError('INVALID_ARGUMENT', 'expected a version: NAME@VERSION');
}

const token = z
  .strictObject({
    /** The environment variable that holds the secret. */
    env: variable.optional(),
    /** Whom it stands for. */
    principal: words.optional(),
    /** A private file of tokens, `SECRET=PRINCIPAL` a line. */
    file: words.optional(),
  })
  .superRefine(({ env, file, principal }, ctx) => {
    const wrong = (message: string): void => {
      ctx.addIssue({ code: 'custom', message });
    };
    if ((env === undefined) === (file === undefined)) wrong('expected either env or file');
    if (env !== undefined && principal === undefined) wrong('expected a principal for whom env stands');
    if (file !== undefined && principal !== undefined)
      wrong('the file says itself whom its tokens stand for');
  });

const handoff = z
  .strictObject({
    /** Its token is taken from `ARCP_HANDOFF_TOKEN_NAME`. */
    name: words,
    url: checked(parseUrl),
    fingerprint: words,
  })
  .transform(({ name, url, fingerprint }, ctx) => {
    try {
      return parseHandoffTarget(`${name}=${url},${fingerprint}`);
    } catch {
      ctx.addIssue({ code: 'custom', message: 'expected a name of a-z 0-9 _ - and a fingerprint, sha256:…' });
      return z.NEVER;
    }
  });

const schedule = z.strictObject({
  /** Names it among those of this file: what is changed under a name replaces what was there. */
  name: z.string('expected text').regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 . _ -'),
  principal: words,
  agent: checked(parseAgentRef),
  arguments: z.unknown().optional(),
  /** `["USD:1.00"]`, for each job. */
  budget: readAs<readonly string[]>((value) => {
    try {
      parseBudget(value as readonly string[]);
      return value as readonly string[];
    } catch {
      return undefined;
    }
  }, 'a list such as ["USD:1.00"], each currency once').optional(),
  /** An RRULE (RFC 5545). */
  every: checked((text) => Recurrence.parse(text, Date.now())),
});

type LimitSchemas = { [Name in LimitName]: z.ZodOptional<ReturnType<typeof limit>> };

const limits = z.strictObject(
  Object.fromEntries(
    Object.keys(LIMITS).map((name) => [name, limit(name as LimitName).optional()]),
  ) as unknown as LimitSchemas,
);

export const configSchema = z.strictObject({
  /** For editors. */
  $schema: words.optional(),
  host: words.optional(),
  port: readAs<number>(
    (value) =>
      Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535 ? Number(value) : undefined,
    'a port from 0 to 65535; 0 picks a free one',
  ).optional(),
  agents: z.array(agent, 'expected a list such as [{"module": "agents.mjs"}]').optional(),
  /** What all agents that are processes have. */
  process: z
    .strictObject({
      /** How many of each may wait for another job. */
      pool: readAs<number>(
        (value) =>
          Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 9_999 ? Number(value) : undefined,
        'a whole number up to 9999',
      ).optional(),
      /** Paths that they may read beside. */
      reads: z.array(words, 'expected a list of paths').optional(),
      /** Environment variables that they get, by name. */
      env: z.array(variable, 'expected a list of names').optional(),
    })
    .optional(),
  conformance: flag.optional(),
  /** Whether it runs fleets. */
  fleet: flag.optional(),
  store: oneOf(['sqlite', 'memory']).optional(),
  data: words.optional(),
  durability: oneOf(['full', 'normal']).optional(),
  tokens: z
    .array(token, 'expected a list such as [{"env": "ARCP_TOKEN_ADA", "principal": "ada"}]')
    .optional(),
  anonymous: flag.optional(),
  /** How far a principal is trusted; `anonymous` for those. */
  trust: z.record(words, oneOf(TRUST_LEVELS), 'expected an object of principals').optional(),
  /** Principals whose sessions may host agents. */
  hosts: z.array(words, 'expected a list of principals').optional(),
  limits: limits.optional(),
  /** Runtimes that jobs may be handed over to. */
  handoffs: z.array(handoff, 'expected a list of runtimes').optional(),
  /** Web pages that may connect. */
  origins: z.array(checked(parseOrigin), 'expected a list of origins').optional(),
  credentials: z
    .strictObject({
      /** A LiteLLM gateway. */
      gateway: checked(parseHttpUrl),
      /** The environment variable that holds its master key. */
      env: variable.optional(),
    })
    .optional(),
  schedules: z.array(schedule, 'expected a list of schedules').optional(),
  drain: duration.optional(),
  log: oneOf(LOG_LEVELS).optional(),
});

export type Config = z.output<typeof configSchema>;
export type ConfiguredSchedule = z.output<typeof schedule>;

/** The keys that the schema has at a path, for advice on the one that was meant. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let here: z.core.$ZodType = configSchema;
  for (const step of path) {
    here = bare(here);
    if (here instanceof z.ZodArray) here = here.element;
    else if (here instanceof z.ZodObject) {
      const next: unknown = here.shape[String(step)];
      if (!(next instanceof z.ZodType)) return [];
      here = next;
    } else return [];
  }
  here = bare(here);
  return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
}

function bare(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional ? bare(schema.unwrap()) : schema;
}
