/**
 * Checks what a config file says: its mistakes all at once, each with its path and, where the file is JSON, its place;
 * what follows from several values together once each of them is right.
 * Nothing that looks like a secret is taken or repeated (`secrets.ts`).
 */
import { statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { z } from 'zod';
import { closest } from '../../documents/closest.js';
import type { Located } from '../../documents/located.js';
import { Problems, type Problem } from '../../documents/problems.js';
import { configSchema, keysAt, type Config } from './schema.js';
import { isSecretKey, SECRET_ADVICE, tokensIn } from './secrets.js';

export interface CheckedConfig {
  /** What the file says, where it has no error. */
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
}

export interface ConfigText {
  readonly value: unknown;
  /** Where things stand; nothing of a file that is a program. */
  readonly root: Located | undefined;
  /** What its paths are meant from. */
  readonly folder: string;
}

const MAX_PROBLEMS = 200;

/** Of a program's values nobody knows where they stand: line 0. */
const NOWHERE: Located = { kind: 'scalar', at: { line: 0, column: 0 }, value: null };

export function checkConfig({ value, root, folder }: ConfigText, env: NodeJS.ProcessEnv): CheckedConfig {
  const problems = new Problems(root ?? NOWHERE, MAX_PROBLEMS);
  for (const path of tokensIn(value)) problems.error(path, `this looks like a secret, and ${SECRET_ADVICE}`);
  const result = configSchema.safeParse(value);
  if (result.success) rules(result.data, folder, env, problems);
  else schemaProblems(result.error, value, problems);
  const all = problems.all;
  const failed = all.some(({ severity }) => severity === 'error');
  return { config: failed ? undefined : result.data, problems: all };
}

function schemaProblems(error: z.ZodError, value: unknown, problems: Problems): void {
  for (const issue of error.issues) {
    if (issue.code !== 'unrecognized_keys') {
      problems.issues([], value, { issues: [issue] } as unknown as z.ZodError);
      continue;
    }
    for (const key of issue.keys) problems.errorOfKey([...issue.path, key], unknownKey(key, issue.path));
  }
}

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const known = keysAt(path);
  const meant = closest(key, known);
  if (isSecretKey(key) && path.length > 0) return `unknown key: ${SECRET_ADVICE}, under "env"`;
  if (meant !== undefined) return `unknown key, did you mean ${JSON.stringify(meant)}?`;
  return known.length > 0 && known.length <= 30
    ? `unknown key; there are ${known.join(', ')}`
    : 'unknown key';
}

/** What one value alone does not show. */
function rules(config: Config, folder: string, env: NodeJS.ProcessEnv, problems: Problems): void {
  const agents = config.agents ?? [];
  for (const [index, { module, env: names = [] }] of agents.entries()) {
    const fault = module === undefined ? undefined : moduleFault(resolve(folder, module));
    if (fault !== undefined) problems.error(['agents', index, 'module'], fault);
    for (const [at, name] of names.entries()) warnIfUnset(name, ['agents', index, 'env', at], env, problems);
  }
  repeated(
    agents.map(({ module }) => (module === undefined ? undefined : resolve(folder, module))),
    (index) => problems.error(['agents', index, 'module'], 'this module is named twice'),
  );
  repeated(
    agents.map(({ mcp }) => mcp),
    (index) => problems.error(['agents', index, 'mcp'], 'another MCP server has this name'),
  );
  for (const [at, name] of (config.process?.env ?? []).entries())
    warnIfUnset(name, ['process', 'env', at], env, problems);
  for (const [index, token] of (config.tokens ?? []).entries()) {
    if (token.file !== undefined && !isFile(resolve(folder, token.file)))
      problems.error(['tokens', index, 'file'], 'there is no such file');
    warnIfUnset(token.env, ['tokens', index, 'env'], env, problems);
  }
  if (config.credentials !== undefined)
    warnIfUnset(config.credentials.env, ['credentials', 'env'], env, problems);
  repeated(
    (config.schedules ?? []).map(({ name }) => name),
    (index) => problems.error(['schedules', index, 'name'], 'another schedule has this name'),
  );
  if (config.store === 'memory' && (config.data !== undefined || config.durability !== undefined)) {
    problems.warning(['store'], 'memory keeps nothing: data and durability mean nothing');
  }
}

function moduleFault(file: string): string | undefined {
  if (!['.js', '.mjs'].includes(extname(file))) return 'expected a .js or .mjs module';
  return isFile(file) ? undefined : 'there is no such module';
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** The file may be checked where it will not run. */
function warnIfUnset(
  name: string | undefined,
  path: readonly PropertyKey[],
  env: NodeJS.ProcessEnv,
  problems: Problems,
): void {
  if (name !== undefined && (env[name] ?? '') === '') problems.warning(path, `${name} is not set here`);
}

function repeated(values: readonly (string | undefined)[], tell: (index: number) => void): void {
  for (const [index, value] of values.entries()) {
    if (value !== undefined && values.indexOf(value) < index) tell(index);
  }
}
