/**
 * Authority that only narrows, in three levels of delegation over real folders: a child that asks for more than its parent
 * has is refused, one runs out of its budget, one waits until a second client allows it, and what everybody spent adds up
 * to the cent. Exits 0 only when all of that was seen.
 *
 *   npm run demo:tree
 */
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bearerTokens, createRuntime, listen } from 'arcp-runtime';
import { connect } from 'arcp-runtime/client';
import { formatAmount, parseAmount } from 'arcp-runtime/protocol';
import { folderAudit } from './agents/folder-audit.mjs';

/** @typedef {import('arcp-runtime/client').Client} Client */
/** @typedef {{ overAsking: string, audited: { name: string, files: number, lines: number, refused?: string }[], written: unknown, left: { USD: string } }} Audit */

const BUDGET = '1.00';
const SOURCE = resolve(import.meta.dirname, '..', 'src');
const FOLDERS = ['provisioners', 'testing', 'transport'];
/** Its folder has more files than its cent pays for. */
const TIGHT = 'testing';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-demo-tree-')));
const secret = randomBytes(32).toString('base64url');
const runtime = createRuntime({ agents: folderAudit, authenticators: [bearerTokens([[secret, 'you']])] });
const server = await listen(runtime, { port: 0 });
try {
  process.exitCode = await main();
} finally {
  await server.close();
  await runtime.close();
  rmSync(folder, { recursive: true });
}

async function main() {
  for (const name of FOLDERS) cpSync(join(SOURCE, name), join(folder, name), { recursive: true });
  const out = join(folder, 'report.txt');
  const asking = await connect(server.url, { token: secret });
  const approving = await connect(server.url, { token: secret });
  const approval = approve(approving);
  const job = await asking.invoke(
    'audit',
    { path: folder, out, tight: TIGHT },
    {
      budget: [`USD:${BUDGET}`],
      leaseRequest: { 'fs.read': [folder, `${folder}/**`], 'agent.delegate': ['**'] },
    },
  );
  const spent = await follow(job);
  const { value } = await job.result();
  const { overAsking, audited, written, left } = /** @type {Audit} */ (value);
  const approved = await approval;
  await asking.close();
  await approving.close();

  let sum = 0n;
  say('');
  for (const [agent, amount] of spent) {
    sum += amount;
    say(`spent  ${agent.padEnd(20)} ${formatAmount(amount).padStart(5)} USD`);
  }
  say(`       ${'left'.padEnd(20)} ${left.USD.padStart(5)} USD`);
  say(`       ${'together'.padEnd(20)} ${formatAmount(sum + parseAmount(left.USD)).padStart(5)} USD`);
  say('');
  const report = existsSync(out) ? readFileSync(out, 'utf8') : '';
  const tight = audited.find(({ name }) => name === TIGHT);
  const checks = [
    check('over-asking child', overAsking === 'LEASE_SUBSET_VIOLATION', overAsking),
    check('child out of budget', tight?.refused === 'BUDGET_EXHAUSTED' && tight.files === 1, tight?.refused),
    check('approval', approved === `fs.write on ${out}`, 'granted by the second client'),
    check('report', report.length > 0 && written === Buffer.byteLength(report), `${report.length} bytes`),
    check('spend table', sum + parseAmount(left.USD) === parseAmount(BUDGET), `adds up to ${BUDGET} USD`),
  ];
  return checks.every(Boolean) ? 0 : 1;
}

/**
 * Shows the tree, and adds up what its jobs are charged, by agent.
 *
 * @param {import('arcp-runtime/client').Job} job
 */
async function follow(job) {
  /** @type {Map<string, { agent: string, depth: number }>} */
  const jobs = new Map();
  /** @type {Map<string, bigint>} */
  const spent = new Map();
  for await (const event of job.tree()) {
    if (event.type === 'job.accepted') {
      jobs.set(event.payload.job_id, { agent: event.payload.agent ?? '', depth: event.payload.depth ?? 0 });
      continue;
    }
    const { agent, depth } = jobs.get(event.job_id ?? '') ?? { agent: '', depth: 0 };
    const indent = '  '.repeat(depth);
    if (event.type === 'metric' && event.payload.amount !== undefined) {
      if (event.payload.name.startsWith('cost.budget.')) continue;
      spent.set(agent, (spent.get(agent) ?? 0n) + parseAmount(event.payload.amount));
    } else if (event.type === 'permission.request') {
      say(`${indent}${agent}  waits for ${event.payload.permission}`);
    } else if (event.type === 'job.failed') {
      say(`${indent}${agent}  failed  ${event.payload.code}`);
    } else if (event.type === 'event.emit' && event.payload.name === 'agent.delegate.refused') {
      const { target, code } = /** @type {{ target: string, code: string }} */ (event.payload.data);
      say(`${indent}  ${target}  refused  ${code}`);
    } else if (event.type === 'job.completed' && depth < 2) {
      say(`${indent}${agent}  completed`);
    }
  }
  return spent;
}

/**
 * The second client grants the first thing that a job of the principal waits for.
 *
 * @param {Client} client
 */
async function approve(client) {
  for (;;) {
    for await (const question of client.questions()) {
      if (question.request.type !== 'permission.request') continue;
      const { permission, resource } = question.request.payload;
      await question.grant();
      return `${permission} on ${resource}`;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/**
 * @param {string} what
 * @param {boolean} isSo
 * @param {string | undefined} detail
 */
function check(what, isSo, detail = '') {
  say(`${isSo ? 'seen  ' : 'FAILED'} ${what}: ${detail}`);
  return isSo;
}

/** @param {string} line */
function say(line) {
  process.stdout.write(`${line}\n`);
}
