/**
 * Agents from anywhere under one job: an agent in the runtime's process delegates to a child process in Python, to a
 * worker that dialled in, and to a tool of an MCP server, each with a budget. The worker is killed (`kill -9`) in the
 * middle of its work and another one started. Exits 0 only when the result is what this process computes by itself.
 *
 *   npm run demo:anywhere
 *
 * Without python3 its part is left out, and said to be; without bubblewrap the Python process is trusted instead.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { brotliCompressSync, constants, gunzipSync } from 'node:zlib';
import { connect } from 'arcp-runtime/client';
import { formatAmount, parseAmount } from 'arcp-runtime/protocol';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {{ name: string, files: number, bytes: number, packed: number, workers: number[] }} Packed */
/** @typedef {{ name: string, words: number, distinct: number, top: string[] }} Counted */
/** @typedef {{ source: Packed[], prose: Counted[], report: string, gzip: string }} Survey */
/** @typedef {{ jobs: number, attempts: number, spent: Map<string, bigint> }} Tally */

const ROOT = resolve(import.meta.dirname, '..');
const ARCP = join(ROOT, 'dist', 'cli', 'main.js');
const HERE = join(ROOT, 'examples', 'anywhere');
const EVERYTHING = join(ROOT, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const SOURCE = join(ROOT, 'src');
const PROSE = ['README.md', 'PROTOCOL.md', 'CONFORMANCE.md'];
const PACKER = 'packed-size@1.0.0';
/** How long the runtime waits for a worker that is gone before its jobs go to another one, and for any worker at all. */
const RETURN = '8s';
const BUDGET = ['credits:25', 'tool_calls:1'];
const PRICE = parseAmount('0.01');
/** What `packed-size` pays for at once, and may have to do again. */
const FILES_PER_CHARGE = 5n;
/** A job that has as many files behind and before it is in the middle of its work. */
const FILES_DONE = 5;
const FILES_TO_GO = 20;
const START_MS = 60_000;

/** @type {Set<ChildProcess>} */
const running = new Set();
const folder = mkdtempSync(join(tmpdir(), 'arcp-demo-anywhere-'));
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const code = await main().catch((/** @type {unknown} */ error) => {
  process.stderr.write(`\ndemo: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
process.exit(code);

async function main() {
  const started = performance.now();
  if (!existsSync(ARCP)) throw new Error('the package is not built: npm run demo:anywhere builds it first');
  const python = version('python3');
  const walls = version('bwrap');
  const secrets = { you: secret(), worker: secret() };
  const { server, url } = await startRuntime(secrets, python !== undefined, walls !== undefined);
  say(`runtime  process ${server.pid} at ${url}`);
  say('         survey@1.0.0 in its own process');
  if (python === undefined)
    say('         python3 is not installed: the part of the Python agent is LEFT OUT');
  else
    say(
      `         vocabulary@1.0.0 as a child process, ${python}, ${walls === undefined ? 'TRUSTED, since bubblewrap is not installed' : `in ${walls}`}`,
    );
  say('         kit.*, the tools of the MCP server server-everything');
  const workers = [await startWorker(url, secrets.worker)];

  const expected = expectation(python !== undefined);
  const client = await connect(url, { token: secrets.you });
  const folders = expected.source.map(({ name }) => name);
  const prose = expected.prose.map(({ name }) => name);
  const job = await client.invoke(
    'survey@1.0.0',
    { path: ROOT, folders, prose, tools: 'kit' },
    { budget: BUDGET },
  );
  say(`you      ask for survey@1.0.0 with ${BUDGET.join(' and ')}`);
  say('');
  const tallies = await follow(job, async (told) => {
    const [worker] = workers;
    if (worker === undefined || workers.length > 1) return;
    worker.kill('SIGKILL');
    say(`worker   process ${worker.pid} is killed (SIGKILL), ${told}`);
    workers.push(await startWorker(url, secrets.worker));
  });
  const { value } = await job.result();
  const survey = /** @type {Survey} */ (value);
  await client.close();
  const [first, second] = workers;
  for (const child of [second, server]) await end(child);

  tell(tallies, { first, second, server });
  const moved = survey.source.filter(
    (one) => one.workers.includes(first?.pid ?? 0) && one.workers.includes(second?.pid ?? 0),
  );
  const sumOf = (/** @type {'files' | 'bytes' | 'packed'} */ what) =>
    survey.source.reduce((sum, one) => sum + one[what], 0);
  const files = sumOf('files');
  const packing = tallies.get(PACKER);
  const again = (packing?.spent.get('credits') ?? 0n) - PRICE * BigInt(files);
  const redone = again / PRICE;
  const restarts = BigInt((packing?.attempts ?? 0) - (packing?.jobs ?? 0));
  const checks = [
    check(
      'a worker was killed in the middle',
      moved.length > 0,
      `${moved.map(({ name }) => name).join(', ')} began in process ${first?.pid} and ended in ${second?.pid}`,
    ),
    check(
      'nothing was lost',
      again >= 0n && redone <= FILES_PER_CHARGE * restarts,
      `${files} files; ${redone} that were under way at the kill were paid for again`,
    ),
    check(
      'the sizes are right',
      JSON.stringify(sizesOf(survey.source)) === JSON.stringify(sizesOf(expected.source)),
      `${sumOf('bytes')} bytes in ${folders.length} folders are packed ${sumOf('packed')}`,
    ),
    check(
      'the words are right',
      JSON.stringify(survey.prose) === JSON.stringify(expected.prose),
      python === undefined
        ? 'left out: python3 is not installed'
        : survey.prose.map(({ name, words }) => `${name} ${words}`).join(', '),
    ),
    check(
      'the report is what was packed',
      gunzipSync(Buffer.from(survey.gzip, 'base64')).toString() === survey.report,
      `${survey.report.length} characters`,
    ),
  ];
  say(`time   ${((performance.now() - started) / 1_000).toFixed(1)} s`);
  return checks.every(Boolean) ? 0 : 1;
}

/**
 * Watches the job and all below it. `interfere` is called once, when a job of the worker is well in its work.
 *
 * @param {import('arcp-runtime/client').Job} job
 * @param {(told: string) => Promise<void>} interfere
 */
async function follow(job, interfere) {
  /** @type {Map<string, Tally>} */
  const tallies = new Map();
  /** @type {Map<string, { agent: string, task: string }>} */
  const jobs = new Map();
  /** @type {Promise<void> | undefined} */
  let interfering;
  /** @type {Map<string, string>} */
  const tasks = new Map();
  for await (const event of job.tree()) {
    const id = event.job_id ?? '';
    if (event.type === 'agent.delegate') {
      tasks.set(event.payload.delegate_id ?? '', event.payload.task);
      continue;
    }
    if (event.type === 'job.accepted') {
      const { agent = '', delegate_id: delegated = '' } = event.payload;
      jobs.set(id, { agent, task: tasks.get(delegated) ?? '' });
      const tally = tallies.get(agent) ?? { jobs: 0, attempts: 0, spent: new Map() };
      tallies.set(agent, { ...tally, jobs: tally.jobs + 1, attempts: tally.attempts + 1 });
      continue;
    }
    const { agent, task } = jobs.get(id) ?? { agent: '', task: '' };
    const tally = tallies.get(agent);
    if (event.type === 'job.progress' && agent === PACKER) {
      const { current, total = 0 } = event.payload;
      if (interfering === undefined && current >= FILES_DONE && total - current >= FILES_TO_GO)
        interfering = interfere(`at ${current} of ${total} files of ${task}`);
      interfering?.catch(() => undefined); // what is wrong with it is told at the end
    } else if (event.type === 'event.emit' && event.payload.name === 'job.restarted') {
      if (tally !== undefined) tally.attempts += 1;
      say(`         ${agent} ${task}: goes on elsewhere`);
    } else if (event.type === 'metric' && event.payload.amount !== undefined) {
      const { name, amount, unit } = event.payload;
      if (!name.startsWith('cost.budget.'))
        tally?.spent.set(unit, (tally.spent.get(unit) ?? 0n) + parseAmount(amount));
    } else if (event.type === 'job.completed') {
      say(`         ${agent} ${task}: completed`);
    } else if (event.type === 'job.failed') {
      say(`         ${agent} ${task}: failed, ${event.payload.code}: ${event.payload.message}`);
    }
  }
  await interfering;
  return tallies;
}

/** @param {readonly Omit<Packed, 'workers'>[]} source */
function sizesOf(source) {
  return source.map(({ name, files, bytes, packed }) => ({ name, files, bytes, packed }));
}

/**
 * What the survey has to come to, computed here, without a runtime.
 *
 * @param {boolean} hasPython
 */
function expectation(hasPython) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 6 };
  const folders = readdirSync(SOURCE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const source = folders.map(({ name }) => {
    const entries = readdirSync(join(SOURCE, name), { withFileTypes: true, recursive: true });
    const contents = entries
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
    const bytes = contents.reduce((sum, one) => sum + one.length, 0);
    const packed = contents.reduce((sum, one) => sum + brotliCompressSync(one, { params }).length, 0);
    return { name: `src/${name}`, files: contents.length, bytes, packed };
  });
  const prose = hasPython
    ? PROSE.map((name) => ({ name, ...vocabulary(readFileSync(join(ROOT, name), 'utf8')) }))
    : [];
  return { source, prose };
}

/**
 * Its words are runs of a to z, by what `vocabulary.py` says that a word is.
 *
 * @param {string} text
 */
function vocabulary(text) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  const found = text.toLowerCase().match(/[a-z]+/g) ?? [];
  for (const word of found) counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts].sort(([one, more], [other, less]) => less - more || (one < other ? -1 : 1));
  return { words: found.length, distinct: counts.size, top: sorted.slice(0, 3).map(([word]) => word) };
}

/**
 * @param {Map<string, Tally>} tallies
 * @param {Record<'first' | 'second' | 'server', ChildProcess | undefined>} processes
 */
function tell(tallies, { first, second, server }) {
  const where = (/** @type {string} */ agent) => {
    if (agent === PACKER) return `workers that dialled in, ${first?.pid} and then ${second?.pid}`;
    if (agent.startsWith('kit.')) return 'an MCP server';
    return agent.startsWith('vocabulary') ? 'a child process in Python' : `the runtime, ${server?.pid}`;
  };
  const lines = [...tallies].map(([agent, { jobs, attempts, spent }]) => [
    agent,
    where(agent),
    String(jobs),
    String(attempts),
    [...spent].map(([unit, amount]) => `${formatAmount(amount)} ${unit}`).join(', '),
  ]);
  const head = ['agent', 'ran in', 'jobs', 'attempts', 'spent'];
  const widths = head.map((_, column) =>
    Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)),
  );
  say('');
  for (const line of [head, ...lines])
    say(
      line
        .map((cell, column) =>
          column === 2 || column === 3
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    );
  say('');
}

/**
 * @param {Record<'you' | 'worker', string>} secrets
 * @param {boolean} hasPython
 * @param {boolean} hasWalls
 */
async function startRuntime(secrets, hasPython, hasWalls) {
  const config = join(folder, 'arcp.config.json');
  const tokens = join(folder, 'tokens');
  writeFileSync(config, JSON.stringify({ limits: { providerReturnMs: RETURN } }));
  writeFileSync(tokens, `${secrets.you}=you\n${secrets.worker}=worker\n`, { mode: 0o600 });
  const vocabularyAgent = [
    '--agent',
    `vocabulary@1.0.0=python3 ${quoted(join(HERE, 'vocabulary.py'))}`,
    '--pool',
    '2',
  ];
  const server = start(
    [
      'serve',
      ...['--config', config, '--token-file', tokens, '--host-principal', 'worker'],
      ...['--port', '0', '--store', 'memory', '--log-level', 'error', '--json', '--drain', '1s'],
      ...['--agents', join(HERE, 'survey.mjs')],
      ...(hasPython ? vocabularyAgent : []),
      ...(hasPython && !hasWalls ? ['--trust-agent', 'vocabulary@1.0.0'] : []),
      ...['--mcp', `kit=${[process.execPath, EVERYTHING, 'stdio'].map(quoted).join(' ')}`],
    ],
    ['ignore', 'pipe', 'inherit'],
  );
  const line = await lineOf(server, server.stdout, /"url"/);
  /** @type {unknown} */
  const said = JSON.parse(line);
  const { url } = /** @type {{ url: string }} */ (said);
  return { server, url };
}

/**
 * @param {string} url
 * @param {string} token
 */
async function startWorker(url, token) {
  const file = join(folder, 'worker-token');
  writeFileSync(file, token, { mode: 0o600 });
  const hosting = ['--agents', join(HERE, 'packed-size.mjs'), '--max-jobs', '4', '--drain', '1s'];
  const worker = start(
    ['worker', '--url', url, '--token-file', file, ...hosting],
    ['ignore', 'ignore', 'pipe'],
  );
  await lineOf(worker, worker.stderr, /^hosting /);
  say(`worker   process ${worker.pid} dials in and hosts ${PACKER}`);
  return worker;
}

/**
 * @param {string[]} args
 * @param {import('node:child_process').StdioOptions} stdio
 */
function start(args, stdio) {
  const child = spawn(process.execPath, [ARCP, ...args], { stdio });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/**
 * The first line that it prints which matches.
 *
 * @param {ChildProcess} child
 * @param {import('node:stream').Readable | null} output
 * @param {RegExp} pattern
 * @returns {Promise<string>}
 */
function lineOf(child, output, pattern) {
  if (output === null) throw new TypeError('the process has no such output');
  const lines = createInterface({ input: output });
  return new Promise((done, fail) => {
    const timer = setTimeout(
      () => fail(new Error(`a process said nothing within ${START_MS / 1_000} s`)),
      START_MS,
    );
    /** @type {string[]} */
    const said = [];
    child.once('exit', () => {
      clearTimeout(timer);
      fail(new Error(`a process ended before it was there: ${said.join('; ')}`));
    });
    lines.on('line', (line) => {
      if (!pattern.test(line)) return void said.push(line);
      clearTimeout(timer);
      lines.removeAllListeners('line').resume();
      done(line);
    });
  });
}

/** @param {ChildProcess | undefined} child */
async function end(child) {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/**
 * What a program says of its version; `undefined` where there is none.
 *
 * @param {string} program
 */
function version(program) {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function secret() {
  return randomBytes(32).toString('base64url');
}

/** @param {string} word */
function quoted(word) {
  return `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}

/**
 * @param {string} what
 * @param {boolean} isSo
 * @param {string} detail
 */
function check(what, isSo, detail) {
  say(`${isSo ? 'seen  ' : 'FAILED'} ${what}: ${detail}`);
  return isSo;
}

/** @param {string} line */
function say(line) {
  process.stdout.write(`${line}\n`);
}
