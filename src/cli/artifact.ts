/** `arcp artifact put | get | release`: what the caller's principal keeps at a runtime. */
import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { InvalidArgumentError, type Command } from 'commander';
import type { ArtifactSource, Client, FetchedArtifact } from '../client/index.js';
import { isId } from '../protocol/index.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { Interruption } from './interruption.js';
import { parseDuration } from './options.js';
import { PlainReporter } from './reporter.js';
import { FileOutput, StreamOutput, type ResultOutput } from './result-output.js';
import { tell } from './said.js';

interface PutOptions extends ConnectionOptions {
  readonly mediaType?: string;
  readonly retain?: number;
  readonly json?: true;
}

interface GetOptions extends ConnectionOptions {
  readonly out?: string;
}

export function addArtifact(program: Command): void {
  const artifact = program.command('artifact').description('keep files at a runtime, and get them back');
  withConnectionOptions(
    artifact
      .command('put')
      .description('put a file and print the id of the artifact')
      .argument('<file>', 'the file; - is stdin')
      .option('--media-type <type>', 'what it is, e.g. text/plain; default application/octet-stream')
      .option('--retain <duration>', 'how long it is to be kept, e.g. 24h', parseRetention)
      .option('--json', 'print its whole reference'),
  ).action(put);
  withConnectionOptions(
    artifact
      .command('get')
      .description('take an artifact to stdout')
      .argument('<id>', 'the id of the artifact, art_…', parseArtifactId)
      .option('--out <file>', 'where it goes instead of stdout'),
  ).action(get);
  withConnectionOptions(
    artifact
      .command('release')
      .description('have the runtime forget an artifact')
      .argument('<id>', 'the id of the artifact, art_…', parseArtifactId)
      .option('--json', 'print that it is released as JSON'),
  ).action(release);
}

function parseRetention(text: string): number {
  const ms = parseDuration(text);
  if (ms < 1_000) throw new InvalidArgumentError('expected a second or more, e.g. 30s or 24h');
  return Math.ceil(ms / 1_000);
}

function parseArtifactId(text: string): string {
  if (!isId('artifact', text)) throw new InvalidArgumentError('expected the id of an artifact, art_…');
  return text;
}

async function put(file: string, options: PutOptions): Promise<void> {
  const source = file === '-' ? process.stdin : await opened(file);
  await withClient(options, async (client, signal) => {
    const { mediaType, retain } = options;
    const ref = await client.artifacts.put(source, {
      signal,
      ...(mediaType === undefined ? {} : { mediaType }),
      ...(retain === undefined ? {} : { retainSeconds: retain }),
    });
    process.stdout.write(options.json === true ? `${JSON.stringify(ref)}\n` : `${ref.artifact_id}\n`);
  });
}

async function opened(path: string): Promise<ArtifactSource> {
  try {
    if (!(await stat(path)).isFile()) throw new Error('it is not a file');
    return await openAsBlob(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(
      EXIT.usage,
      `${path} cannot be read: ${reason}`,
      'name another file, or - for stdin',
      error,
    );
  }
}

async function get(id: string, options: GetOptions): Promise<void> {
  const file = options.out === undefined ? undefined : await FileOutput.open(options.out);
  const output = file ?? new StreamOutput(process.stdout, new PlainReporter(id, process.stderr));
  try {
    await withClient(options, async (client, signal) => {
      await takeArtifact(await client.artifacts.fetch(id, { signal }), output);
    });
    const said = await output.finish();
    if (said !== undefined) process.stderr.write(`${said}\n`);
  } catch (error) {
    await output.abandon();
    throw error;
  }
}

/** Brings an artifact to where results go. */
export async function takeArtifact(artifact: FetchedArtifact, output: ResultOutput): Promise<void> {
  for await (const piece of artifact) await output.write(piece);
}

async function release(id: string, options: ConnectionOptions & { readonly json?: true }): Promise<void> {
  await withClient(options, async (client) => {
    await client.artifacts.release(id);
    tell(options, { artifact_id: id, released: true }, `${id} is released`);
  });
}

async function withClient(
  options: ConnectionOptions,
  run: (client: Client, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal } = new Interruption();
  const client = await connectTo(options, { signal });
  try {
    await Promise.race([run(client, signal), interrupted(signal)]);
  } catch (error) {
    if (signal.aborted) throw new Failure(EXIT.interrupted, 'interrupted', undefined, error);
    throw error;
  } finally {
    await client.close();
  }
}

/** Whoever presses Ctrl-C does not wait for a source that gives nothing, such as a terminal. */
function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true });
  });
}
