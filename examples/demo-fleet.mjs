/**
 * Twelve tasks on this repository, on three workers of this machine (`fleet/demo.yaml`): `arcp fleet run` runs them,
 * this process says yes where a person is asked, and then holds every receipt against how the task was meant to end.
 *
 *   npm run demo:fleet
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {{ type: string, payload: { name?: string, data?: unknown } }} Event */
/** @typedef {{ task_id: string, worker_id: string, result: string, failure_kind?: string, score: null | { notes?: string } }} Receipt */
/** @typedef {{ event: { task_id: string, state: string, reason?: string }, task: { attempt: number }, receipt?: Receipt }} Told */

const ROOT = resolve(import.meta.dirname, '..');
const ARCP = join(ROOT, 'dist', 'cli', 'main.js');
const SPEC = join(ROOT, 'examples', 'fleet', 'demo.yaml');
/** Where its tasks write. */
const MADE = join(ROOT, '.demo');

/** How each task is meant to end, and at which attempt. */
const MEANT = new Map([
  ['lint-demo', 'pass'],
  ['count-lines', 'pass'],
  ['find-laws', 'pass'],
  ['name-version', 'pass'],
  ['count-tests', 'pass'],
  ['boxed-search', 'pass'],
  ['boxed-write', 'pass'],
  ['second-try', 'pass at attempt 2'],
  ['hangs', 'timeout'],
  ['approve', 'pass'],
  ['refused', 'fail'],
  ['hash-lock', 'pass'],
]);

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
  if (!existsSync(ARCP)) {
    process.stderr.write('demo: the package is not built\n  next: npm run demo:fleet builds it first\n');
    return 1;
  }
  const data = mkdtempSync(join(tmpdir(), 'arcp-demo-'));
  rmSync(MADE, { recursive: true, force: true });
  try {
    const run = arcp(['fleet', 'run', SPEC, '--data', data, '--json']);
    const stop = () => {
      interrupted = true;
      run.kill('SIGTERM');
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    say(`run:     process ${run.pid}, ${MEANT.size} tasks on 3 workers\n`);
    const story = await watch(run, data);
    if (run.exitCode === null) await once(run, 'exit');
    const code = run.exitCode;
    if (interrupted) {
      process.stderr.write('\ndemo: interrupted\n  next: npm run demo:fleet starts it again\n');
      return 130;
    }
    say('');
    const wrong = tell(story);
    // The run has failed, since two of its tasks have: that is what its exit code says.
    if (code !== 1) wrong.push(`the run ended with status ${code}, not 1`);
    say(`\ntime:    ${((performance.now() - started) / 1_000).toFixed(1)} s`);
    for (const line of wrong) process.stderr.write(`demo: ${line}\n`);
    if (wrong.length === 0) say(`receipts: ${story.size}, each as it was meant`);
    else process.stderr.write('  next: examples/fleet/demo.yaml says what each task does\n');
    return wrong.length === 0 ? 0 : 1;
  } finally {
    rmSync(data, { recursive: true, force: true });
    rmSync(MADE, { recursive: true, force: true });
  }
}

/** @param {string[]} args */
function arcp(args) {
  const child = spawn(process.execPath, [ARCP, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/**
 * Follows the events of the run; where a person is asked, says yes as another process would.
 *
 * @param {ChildProcess} run
 * @param {string} data
 */
async function watch(run, data) {
  /** @type {Map<string, { receipt: Receipt, attempt: number }>} */
  const story = new Map();
  if (run.stdout === null) throw new TypeError('the process has no stdout');
  for await (const line of createInterface({ input: run.stdout })) {
    /** @type {Event} */
    const { type, payload } = parsed(line);
    if (type !== 'event.emit') continue;
    if (payload.name === 'fleet.verdict') {
      const { task_id: task } = /** @type {{ task_id: string }} */ (payload.data);
      say(`  ${task.padEnd(14)} asks: this process says yes`);
      arcp(['fleet', 'score', 'latest', task, 'pass', '--data', data]);
    }
    if (payload.name !== 'fleet.task') continue;
    const { event, task, receipt } = /** @type {Told} */ (payload.data);
    const { task_id: id, state, reason } = event;
    if (receipt !== undefined) story.set(id, { receipt, attempt: task.attempt });
    if (['leased', 'restarted', 'completed', 'failed'].includes(state)) {
      say(`  ${id.padEnd(14)} ${state}${reason === undefined ? '' : `: ${reason}`}`);
    }
  }
  return story;
}

/**
 * The receipts, and what is not as it was meant.
 *
 * @param {Map<string, { receipt: Receipt, attempt: number }>} story
 */
function tell(story) {
  const wrong = [];
  for (const [id, meant] of MEANT) {
    const ended = story.get(id);
    const result = ended?.receipt.result ?? 'no receipt';
    const how = ended !== undefined && ended.attempt > 1 ? `${result} at attempt ${ended.attempt}` : result;
    const notes = ended?.receipt.score?.notes ?? '';
    say(
      `${id.padEnd(14)}  ${how.padEnd(18)}  ${(ended?.receipt.worker_id ?? '').padEnd(7)}  ${notes}`.trimEnd(),
    );
    if (how !== meant) wrong.push(`${id} was meant to end with ${meant}, and ended with ${how}`);
  }
  return wrong;
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
