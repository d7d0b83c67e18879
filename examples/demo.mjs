/**
 * The main job, end to end, in three processes: this one starts a runtime and a client, the client has `repo-report`
 * write a report on a repository, and this one checks that what arrived is what the agent says it sent.
 *
 *   npm run demo
 *   npm run demo -- --path DIR --budget credits:200 --out FILE
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {{ type: string, job_id?: string, payload: Record<string, unknown> }} Event */

const ROOT = resolve(import.meta.dirname, '..');
const ARCP = join(ROOT, 'dist', 'cli', 'main.js');
const AGENTS = join(ROOT, 'examples', 'agents', 'index.mjs');
const AGENT = 'repo-report@2.0.0';
const START_MS = 15_000;
/** How long a process that was asked to end may take before it is made to. */
const END_MS = 10_000;

class DemoError extends Error {
  /**
   * @param {string} message
   * @param {string} next what to do about it
   */
  constructor(message, next) {
    super(message);
    this.next = next;
  }
}

/** @type {Set<ChildProcess>} */
const running = new Set();
let interrupted = false;

/** Whatever happens to this process, it leaves none behind. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

process.exitCode = await main();

async function main() {
  const started = performance.now();
  try {
    const { path, budget, out } = options();
    // In the environment and not among the arguments, which every user of the machine can read.
    const env = { ...process.env, ARCP_TOKEN: randomBytes(32).toString('base64url') };

    const { server, url } = await startRuntime(env);
    const client = start(
      [
        'invoke',
        AGENT,
        '--arg',
        `path=${JSON.stringify(path)}`,
        '--budget',
        budget,
        '--out',
        out,
        '--json',
        '--url',
        url,
      ],
      { env, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onInterrupt(client, server);
    say(`client:  process ${client.pid}, asks for ${AGENT} on ${path} with ${budget}\n`);

    const story = await watch(client);
    const code = await ended(client);
    if (interrupted) throw new DemoError('interrupted', 'npm run demo starts it again');
    if (code !== 0 || story.completed === undefined) {
      throw new DemoError(`the client ended with status ${code}`, 'see what it says above');
    }
    const checked = check(out, story.completed);
    server.kill('SIGTERM');
    const serverCode = await ended(server);
    if (serverCode !== 0)
      throw new DemoError(`the runtime ended with status ${serverCode}`, 'see its log above');

    say('');
    say(`report:  ${out}`);
    say(`         ${checked.size} bytes in ${story.chunks} chunks, sha256 ${checked.sha256}`);
    say(`         size and hash are what the agent says it streamed`);
    say(`jobs:    1 report, ${story.delegated} delegated, ${story.failed} of them not completed`);
    if (story.failed > 0)
      say(`         the report says why; for more credits: npm run demo -- --budget credits:500`);
    say(`time:    ${((performance.now() - started) / 1_000).toFixed(1)} s`);
    return 0;
  } catch (error) {
    await stopAll();
    const next = error instanceof DemoError ? error.next : 'this is a fault of the demo itself';
    process.stderr.write(
      `\ndemo: ${error instanceof Error ? error.message : String(error)}\n  next: ${next}\n`,
    );
    return interrupted ? 130 : 1;
  }
}

function options() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        path: { type: 'string' },
        budget: { type: 'string', default: 'credits:100' },
        out: { type: 'string' },
      },
    }));
  } catch (error) {
    throw new DemoError(
      error instanceof Error ? error.message : String(error),
      'npm run demo -- [--path DIR] [--budget credits:AMOUNT] [--out FILE]',
    );
  }
  if (!existsSync(ARCP)) throw new DemoError('the package is not built', 'npm run demo builds it first');
  // npm runs scripts in the package's folder; relative paths are meant from where it was called.
  const base = process.env['INIT_CWD'] ?? '.';
  const path = values.path === undefined ? ROOT : resolve(base, values.path);
  const out = values.out === undefined ? join(ROOT, 'report.md') : resolve(base, values.out);
  if (!existsSync(path)) throw new DemoError(`there is no folder ${path}`, 'name one after --path');
  return { path, budget: values.budget, out };
}

/**
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} spawning
 */
function start(args, spawning) {
  const child = spawn(process.execPath, [ARCP, ...args], spawning);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** @param {NodeJS.ProcessEnv} env */
async function startRuntime(env) {
  const server = start(
    [
      'serve',
      '--port',
      '0',
      '--agents',
      AGENTS,
      '--store',
      'memory',
      '--json',
      '--log-level',
      'warn',
      '--drain',
      '5s',
    ],
    // The channel tells the runtime when this process is gone, so that it goes too.
    { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  );
  const line = await firstLine(server);
  /** @type {{ url?: string }} */
  const { url } = parsed(line);
  if (url === undefined) throw new DemoError(`the runtime said ${line}`, 'see its log above');
  say(`runtime: process ${server.pid}, listens on ${url}`);
  return { server, url };
}

/**
 * @param {ChildProcess} child
 * @returns {Promise<string>}
 */
function firstLine(child) {
  return new Promise((resolve, reject) => {
    const fail = (/** @type {string} */ message) => reject(new DemoError(message, 'see its log above'));
    const timer = setTimeout(() => fail(`the runtime did not listen within ${START_MS / 1_000} s`), START_MS);
    child.once('exit', (code) => fail(`the runtime ended with status ${code} before it listened`));
    linesOf(child).once('line', (line) => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      child.once('exit', () => running.delete(child));
      resolve(line);
    });
  });
}

/** @param {ChildProcess} child */
function linesOf(child) {
  if (child.stdout === null) throw new TypeError('the process has no stdout');
  return createInterface({ input: child.stdout });
}

/**
 * Follows the envelopes that the client prints; the tree itself it draws on stderr.
 *
 * @param {ChildProcess} client
 */
async function watch(client) {
  const story = {
    chunks: 0,
    delegated: 0,
    failed: 0,
    completed: /** @type {Record<string, unknown> | undefined} */ (undefined),
  };
  let root;
  for await (const line of linesOf(client)) {
    /** @type {Event} */
    const event = parsed(line);
    if (event.type === 'job.accepted') {
      if (root === undefined) root = event.payload['job_id'];
      else story.delegated += 1;
    } else if (event.type === 'job.result_chunk' && event.job_id === root) {
      story.chunks += 1;
    } else if (event.type === 'job.completed' && event.job_id === root) {
      story.completed = event.payload;
    } else if ((event.type === 'job.failed' || event.type === 'job.cancelled') && event.job_id !== root) {
      story.failed += 1;
    }
  }
  return story;
}

/**
 * Holds the file against what `job.completed` says: `result_size` is the runtime's count, the summary the agent's own.
 *
 * @param {string} path
 * @param {Record<string, unknown>} completed
 */
function check(path, completed) {
  const report = readFileSync(path);
  const sha256 = createHash('sha256').update(report).digest('hex');
  const said = `${report.length} bytes, sha256 ${sha256}`;
  if (completed['summary'] !== said || completed['result_size'] !== report.length) {
    const { summary, result_size: size } = completed;
    throw new DemoError(
      `the report has ${said}, but job.completed says ${String(summary)}, ${String(size)} bytes`,
      'something between the agent and the file changed it: run the tests (npm test)',
    );
  }
  return { size: report.length, sha256 };
}

/**
 * The client is asked before the runtime: it cancels its job and waits for the end. SIGTERM, since a terminal has sent
 * Ctrl-C to all three of us already, and a second one would make the client leave at once.
 *
 * @param {ChildProcess} client
 * @param {ChildProcess} server
 */
function onInterrupt(client, server) {
  const stop = () => {
    if (interrupted) process.exit(130);
    interrupted = true;
    client.kill('SIGTERM');
    client.once('exit', () => server.kill('SIGTERM'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

async function stopAll() {
  await Promise.all(
    [...running].map(async (child) => {
      child.kill('SIGTERM');
      await ended(child);
    }),
  );
}

/**
 * Waits for a process that has been asked to end, or that ends by itself.
 *
 * @param {ChildProcess} child
 * @returns {Promise<number | NodeJS.Signals>}
 */
async function ended(child) {
  if (child.exitCode === null && child.signalCode === null) {
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    await once(child, 'exit');
    clearTimeout(timer);
  }
  return child.exitCode ?? child.signalCode ?? 1;
}

/** @param {string} line */
function say(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * One line of JSON from one of our own processes.
 *
 * @template T
 * @param {string} line
 * @returns {T}
 */
function parsed(line) {
  /** @type {unknown} */
  const value = JSON.parse(line);
  return /** @type {T} */ (value);
}
