/** What a job is to be allowed, as `invoke` and `schedule` take it: its budget, its lease, its profile. */
import { InvalidArgumentError, type Command } from 'commander';
import type { InvokeOptions } from '../client/index.js';
import { capabilityOf, WORKER_ROLES, type WorkerProfile, type WorkerRole } from '../protocol/index.js';
import { collect, parseBudgetOption, parseDuration, parseJson } from './options.js';

export interface AuthorityOptions {
  readonly budget?: readonly string[];
  readonly allow?: readonly (readonly [capability: string, pattern: string])[];
  readonly lease?: { readonly value: unknown };
  /** For what begins now. */
  readonly expires?: string | number;
  readonly profile?: WorkerRole | Partial<WorkerProfile>;
  readonly ask?: true;
  readonly warnAt?: number;
}

export function withAuthorityOptions(command: Command): Command {
  return command
    .option(
      '--budget <currency:amount>',
      'what it may spend, e.g. USD:1.00; may be repeated',
      parseBudgetOption,
    )
    .option('--warn-at <percent>', 'how much of that is spent when it is warned; default 80', parsePercent)
    .option(
      '--allow <capability=pattern>',
      "what it may touch, e.g. 'fs.read=/data/**'; may be repeated, and nothing else is allowed then",
      collect(parseAllowed),
    )
    .option('--lease <json>', 'its whole lease as JSON; --allow goes on top of it', parseJson)
    .option('--profile <role>', `its worker profile: ${WORKER_ROLES.join(', ')}, or JSON`, parseProfile)
    .option('--ask', 'what its lease does not cover, it asks you for (`arcp approve`)');
}

/** @param now milliseconds since the epoch */
export function authorityOf(
  options: AuthorityOptions,
  now: number,
): Pick<InvokeOptions, 'budget' | 'leaseRequest' | 'profile' | 'uncoveredActs' | 'budgetWarningPercent'> {
  const { budget, profile, ask, warnAt } = options;
  const leaseRequest = leaseOf(options, now);
  return {
    ...(budget === undefined ? {} : { budget }),
    ...(leaseRequest === undefined ? {} : { leaseRequest }),
    ...(profile === undefined ? {} : { profile }),
    ...(ask === undefined ? {} : { uncoveredActs: 'ask' }),
    ...(warnAt === undefined ? {} : { budgetWarningPercent: warnAt }),
  };
}

function leaseOf(
  { allow, lease, expires }: AuthorityOptions,
  now: number,
): Readonly<Record<string, unknown>> | undefined {
  if (allow === undefined && lease === undefined && expires === undefined) return undefined;
  const whole = lease?.value ?? {};
  if (typeof whole !== 'object' || Array.isArray(whole))
    throw new InvalidArgumentError('--lease: expected an object, e.g. \'{"fs.read":["/data/**"]}\'');
  const members = new Map<string, unknown>(Object.entries(whole));
  for (const [capability, pattern] of allow ?? []) {
    const patterns = members.get(capability);
    members.set(capability, Array.isArray(patterns) ? [...(patterns as unknown[]), pattern] : [pattern]);
  }
  if (expires !== undefined)
    members.set('expires_at', typeof expires === 'string' ? expires : new Date(now + expires).toISOString());
  // Through a Map and fromEntries, so that a name such as __proto__ is a name like any other.
  return Object.fromEntries(members);
}

function parseAllowed(text: string): readonly [string, string] {
  const equals = text.indexOf('=');
  const capability = text.slice(0, equals);
  if (equals < 1 || equals === text.length - 1 || capabilityOf(capability) === undefined)
    throw new InvalidArgumentError("expected capability=pattern, e.g. 'net.fetch=https://api.example/**'");
  return [capability, text.slice(equals + 1)];
}

/** In milliseconds from now, or as it was written. */
export function parseExpiry(text: string): string | number {
  if (/^\d{4}-/.test(text)) return text;
  const ms = parseDuration(text);
  if (ms === 0) throw new InvalidArgumentError('expected a time to come');
  return ms;
}

function parseProfile(text: string): WorkerRole | Partial<WorkerProfile> {
  const role = WORKER_ROLES.find((one) => one === text);
  if (role !== undefined) return role;
  if (!text.startsWith('{')) throw new InvalidArgumentError(`expected ${WORKER_ROLES.join(', ')}, or JSON`);
  return parseJson(text).value as Partial<WorkerProfile>;
}

function parsePercent(text: string): number {
  const percent = /^\d{1,3}(\.\d{1,2})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(percent > 0 && percent <= 100)) throw new InvalidArgumentError('expected a percentage such as 80');
  return percent;
}
