/**
 * What option values mean. Every parser throws commander's InvalidArgumentError, which repeats the value and ends the
 * command with status 2; where the value may hold a secret, a Failure that does not repeat it.
 */
import { InvalidArgumentError } from 'commander';
import { wordsOf } from '../agents/process/command.js';
import {
  ArcpError,
  parseAgentRef,
  parseBudget,
  parseBudgetEntry,
  isFingerprint,
  isTrustLevel,
  TRUST_LEVELS,
} from '../protocol/index.js';
import type { McpCommand } from '../mcp/connection.js';
import { isServerName } from '../mcp/names.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import type { HandoffTarget, PrincipalTrust, ProcessSetting } from './serving/settings.js';

/** For options that may be given several times. */
export function collect<T>(
  parse: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => T[] {
  return (text, before = []) => [...before, parse(text)];
}

export function asIs(text: string): string {
  return text;
}

/** `NAME@VERSION=COMMAND`: an agent that is a process, and its words, which no shell reads. */
export function parseProcess(text: string): ProcessSetting {
  const equals = text.indexOf('=');
  if (equals < 1)
    throw new InvalidArgumentError(
      "expected NAME@VERSION=COMMAND, e.g. --agent 'word-count@1.0.0=python3 word_count.py'",
    );
  try {
    const { name, version } = parseAgentRef(text.slice(0, equals));
    if (version === undefined) throw new InvalidArgumentError('expected a version: NAME@VERSION=COMMAND');
    return { name, version, command: wordsOf(text.slice(equals + 1)) };
  } catch (error) {
    if (error instanceof ArcpError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

export function parseCount(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number up to 9999');
}

/** `name=value`: the value is JSON where it parses, else the text itself. */
export function parseArgument(text: string): readonly [name: string, value: unknown] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('expected name=value, e.g. --arg ms=500');
  const value = text.slice(equals + 1);
  try {
    return [text.slice(0, equals), JSON.parse(value)];
  } catch {
    return [text.slice(0, equals), value];
  }
}

/** The arguments of an invocation: `--args` whole, `null` too, and each `--arg` on top of it. */
export function mergeArguments(whole: unknown, single: readonly (readonly [string, unknown])[]): unknown {
  if (single.length === 0) return whole === undefined ? {} : whole;
  if (whole !== undefined && (typeof whole !== 'object' || whole === null || Array.isArray(whole))) {
    throw new InvalidArgumentError('--arg adds to an object, but --args is not one');
  }
  // Through a Map and fromEntries, so that a name such as __proto__ is a name like any other.
  return Object.fromEntries(new Map([...Object.entries(whole ?? {}), ...single]));
}

/** A JSON value, boxed: commander takes a bare `null` for an option without a value. */
export function parseJson(text: string): { readonly value: unknown } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    throw new InvalidArgumentError(`not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `CURRENCY:amount`, checked and kept as it was written. */
export function parseBudgetOption(text: string, before: readonly string[] | undefined): string[] {
  try {
    parseBudgetEntry(text);
    const budget = [...(before ?? []), text];
    parseBudget(budget);
    return budget;
  } catch (error) {
    throw new InvalidArgumentError(error instanceof ArcpError ? error.message : String(error));
  }
}

const UNITS = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** `500ms`, `30s`, `1.5m`, `1h`, or `0`; in milliseconds. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
  const unit = UNITS.get(match?.[2] ?? '');
  if (match?.[1] === undefined || unit === undefined) {
    throw new InvalidArgumentError('expected a duration such as 500ms, 30s or 5m');
  }
  return Math.round(Number(match[1]) * unit);
}

/** `principal=level`. */
export function parseTrust(text: string): PrincipalTrust {
  const equals = text.lastIndexOf('=');
  const level = text.slice(equals + 1);
  if (equals < 1 || !isTrustLevel(level)) {
    throw new InvalidArgumentError(`expected principal=level, the level one of ${TRUST_LEVELS.join(', ')}`);
  }
  return [text.slice(0, equals), level];
}

/** `name=url,fingerprint`. */
export function parseHandoffTarget(text: string): HandoffTarget {
  const [, name, url = '', fingerprint = ''] = /^([a-z0-9][a-z0-9_-]*)=(.+),([^,]+)$/.exec(text) ?? [];
  if (name === undefined || !isFingerprint(fingerprint)) {
    throw new InvalidArgumentError('expected name=url,fingerprint, e.g. east=wss://east.example,sha256:…');
  }
  return { name, url: parseUrl(url), fingerprint };
}

/** Whole numbers from 0, as `event_seq` is. */
export function parseSequence(text: string): number {
  const sequence = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(sequence)) throw new InvalidArgumentError('expected a number such as 0 or 42');
  return sequence;
}

export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535))
    throw new InvalidArgumentError('expected a port from 0 to 65535; 0 picks a free one');
  return port;
}

export function parseUrl(text: string): string {
  return urlOf(text, ['ws:', 'wss:'], 'ws://127.0.0.1:7777');
}

export function parseHttpUrl(text: string): string {
  return urlOf(text, ['http:', 'https:'], 'http://127.0.0.1:4000');
}

function urlOf(text: string, protocols: readonly [string, string], example: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InvalidArgumentError(`expected a URL such as ${example}`);
  }
  if (!protocols.includes(url.protocol)) {
    throw new InvalidArgumentError(
      `expected ${protocols.map((one) => `${one}//`).join(' or ')}, not ${url.protocol}//`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new Failure(
      EXIT.usage,
      'a URL carries no secrets here',
      'use --token-file or an environment variable',
    );
  }
  return text;
}

/** An `Origin` as browsers send it: scheme, host and port, nothing else. */
export function parseOrigin(text: string): string {
  let origin: string;
  try {
    origin = new URL(text).origin;
  } catch {
    throw new InvalidArgumentError('expected an origin such as https://app.example');
  }
  if (origin === 'null' || origin !== text.replace(/\/$/, '')) {
    throw new InvalidArgumentError('expected an origin such as https://app.example, without a path');
  }
  return origin;
}

/** `name=command`. */
export function parseMcp(text: string): McpCommand {
  const equals = text.indexOf('=');
  const name = text.slice(0, Math.max(0, equals));
  if (!isServerName(name)) {
    throw new InvalidArgumentError(
      "expected name=command, the name of a-z 0-9 _ -, e.g. 'docs=npx docs-server'",
    );
  }
  try {
    const [command = '', ...args] = wordsOf(text.slice(equals + 1));
    return { name, command, args };
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
