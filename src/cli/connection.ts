/** How the client commands reach a runtime: the options that they share, and one attempt to connect. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { connect, type Client, type ConnectOptions, type Dial } from '../client/index.js';
import { ArcpError, isFingerprint } from '../protocol/index.js';
import { EXIT } from './exit-codes.js';
import { adviceFor, describe, Failure } from './failure.js';
import { parseUrl } from './options.js';
import { clientTokenSource } from './tokens.js';
import { VERSION } from '../version.js';

export interface ConnectionOptions {
  readonly url: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly fingerprint?: string;
}

const DEFAULT_URL = 'ws://127.0.0.1:7777';

export function withConnectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'the runtime').env('ARCP_URL').default(DEFAULT_URL).argParser(parseUrl),
    )
    .option('--token <secret>', 'its token, in sight of every user of this machine: for tests', parseSecret)
    .option('--token-file <file>', 'a private file with its token; without either, ARCP_TOKEN counts')
    .addOption(
      new Option('--fingerprint <sha256:…>', 'the runtime must prove to be this one')
        .env('ARCP_FINGERPRINT')
        .argParser(parseFingerprint),
    );
}

function parseFingerprint(text: string): string {
  if (isFingerprint(text)) return text;
  throw new InvalidArgumentError('expected a fingerprint as `arcp serve` prints it: sha256: and 64 digits');
}

function parseSecret(text: string): string {
  if (text === '') throw new InvalidArgumentError('expected a token');
  return text;
}

export interface ConnectSettings {
  readonly signal?: AbortSignal;
  readonly dial?: Dial;
}

/** Connects, or fails with what to do about it. */
export function connectTo(options: ConnectionOptions, settings: ConnectSettings = {}): Promise<Client> {
  return connecting(options, settings, connect);
}

/** The same for whatever connects; it is given the options of `connect`. */
export async function connecting<T>(
  options: ConnectionOptions,
  settings: ConnectSettings,
  by: (url: string, options: ConnectOptions) => Promise<T>,
): Promise<T> {
  const { url } = options;
  if (options.token !== undefined) {
    process.stderr.write(
      'warning: a token on the command line can be seen by others; use --token-file or ARCP_TOKEN\n',
    );
  }
  const token = clientTokenSource(options, process.env);
  try {
    return await by(url, {
      clientInfo: { kind: 'arcp-cli', version: VERSION },
      ...(token === undefined ? {} : { token }),
      ...(options.fingerprint === undefined ? {} : { expectFingerprint: options.fingerprint }),
      ...settings,
    });
  } catch (error) {
    if (!(error instanceof ArcpError)) throw error;
    if (error.code === 'CANCELLED' && settings.signal?.aborted === true) {
      throw new Failure(EXIT.interrupted, 'interrupted', undefined, error);
    }
    const next =
      error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED'
        ? `is it running? start one with \`arcp serve\`, or name another with --url`
        : error.code === 'UNAUTHENTICATED' && token === undefined
          ? `no token was given: ${adviceFor(error) ?? ''}`
          : adviceFor(error);
    throw new Failure(EXIT.notConnected, `no session with ${url}: ${describe(error)}`, next, error);
  }
}
