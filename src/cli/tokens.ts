/**
 * Where bearer tokens come from and where they are kept.
 *
 * (K1) A token file is readable by its owner alone; one that is not is refused.
 * (K2) No token is ever written to stdout, stderr or a log, but for the one that `arcp token add` has just made.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';

export interface Token {
  readonly secret: string;
  readonly principal: string;
}

/** Who a bare secret stands for. */
export const DEFAULT_PRINCIPAL = 'default';

/** A file of tokens is small; anything larger is not one. */
const MAX_FILE_BYTES = 1_048_576;

/**
 * `SECRET=PRINCIPAL`, divided at the last `=`; without a principal after it, all of it is the secret.
 *
 * @throws Failure (usage) without a secret, as in `--token "$UNSET"`: what everybody knows must open nothing.
 */
export function parseToken(text: string): Token {
  const equals = text.lastIndexOf('=');
  if (text === '' || equals === 0) {
    throw new Failure(EXIT.usage, 'a token has no secret', 'expected SECRET=PRINCIPAL, or a secret alone');
  }
  const principal = equals === -1 ? '' : text.slice(equals + 1);
  if (principal === '') return { secret: text, principal: DEFAULT_PRINCIPAL };
  return { secret: text.slice(0, equals), principal };
}

/** The tokens of a private file, one a line; empty lines and lines that begin with `#` are passed over. */
export function readTokenFile(path: string): Token[] {
  const tokens = readTokens(path);
  if (tokens.length === 0) {
    throw new Failure(
      EXIT.usage,
      `${path} has no token in it`,
      'write SECRET=PRINCIPAL, or a secret alone, on a line',
    );
  }
  return tokens;
}

/** The same, also where there is none left. */
export function readTokens(path: string): Token[] {
  return readPrivateFile(path)
    .split('\n')
    .flatMap((line) => parseTokenLine(line) ?? []);
}

/** Nothing where the line holds no token. */
export function parseTokenLine(line: string): Token | undefined {
  const text = line.trim();
  return text === '' || text.startsWith('#') ? undefined : parseToken(text);
}

/** Names a token without showing it. */
export function tokenId(secret: string): string {
  return createHash('sha256').update(secret).digest('hex').slice(0, 8);
}

/** Replaces the lines of a token file, or makes the file; what `edit` throws leaves it as it is (T1, T2 of `token.ts`). */
export function editTokenFile(path: string, edit: (lines: readonly string[]) => readonly string[]): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const unfinished = `${target}.new`;
  const file = openUnfinished(unfinished);
  try {
    const text = existsSync(target) ? readPrivateFile(target) : '';
    const lines = text.replace(/\n$/, '').split('\n');
    const edited = edit(text === '' ? [] : lines);
    writeFileSync(file, edited.map((line) => `${line}\n`).join(''));
    fsyncSync(file);
    renameSync(unfinished, target);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

function openUnfinished(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      const next = `if no other command is at work, remove ${path}`;
      throw new Failure(EXIT.failed, 'the token file is being changed by another command', next, error);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.failed, `the token file cannot be written: ${reason}`, 'check the path', error);
  }
}

function readPrivateFile(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new Failure(
      EXIT.usage,
      `the token file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      'check the path; `arcp serve` prints the one that it wrote',
    );
  }
  try {
    const { mode, size } = fstatSync(file);
    // Windows has no such modes: there the user's profile folder is what keeps others out.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new Failure(EXIT.usage, `${path} can be read by others`, `make it private: chmod 600 ${path}`);
    }
    if (size > MAX_FILE_BYTES) {
      throw new Failure(EXIT.usage, `${path} is too large to be a token file`, 'check the path');
    }
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** The token that a client command presents: the option, the file, or `ARCP_TOKEN`; none is anonymous. */
export function clientToken(
  options: { readonly token?: string | undefined; readonly tokenFile?: string | undefined },
  env: NodeJS.ProcessEnv,
): string | undefined {
  if (options.token !== undefined) return options.token;
  if (options.tokenFile !== undefined) return readTokenFile(options.tokenFile)[0]?.secret;
  const fromEnv = env['ARCP_TOKEN'];
  return fromEnv === undefined || fromEnv === '' ? undefined : fromEnv;
}

/** The same for a session that lasts: a file is read again when the runtime asks for the token that counts now. */
export function clientTokenSource(
  options: { readonly token?: string | undefined; readonly tokenFile?: string | undefined },
  env: NodeJS.ProcessEnv,
): string | (() => string) | undefined {
  const token = clientToken(options, env);
  if (token === undefined || options.token !== undefined || options.tokenFile === undefined) return token;
  return () => clientToken(options, env) ?? token;
}

export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** The file that a runtime without a token of its own keeps the one it made in. */
export function statePath(port: number, env: NodeJS.ProcessEnv): string {
  const configured = env['XDG_STATE_HOME'];
  const state =
    configured === undefined || configured === '' ? join(homedir(), '.local', 'state') : configured;
  return join(state, 'arcp', `token-${port}`);
}

/** Writes a private file whole: nobody ever sees half of it, or sees it with other rights. */
export function writeTokenFile(path: string, secret: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${process.pid}`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(unfinished, path);
}

/** Removes the file if it is still the one that was written. */
export function removeTokenFile(path: string, secret: string): void {
  try {
    if (readFileSync(path, 'utf8') === `${secret}\n`) rmSync(path);
  } catch {
    // Gone already, or not ours any more.
  }
}
