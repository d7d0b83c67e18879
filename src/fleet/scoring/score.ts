/**
 * Scores a task's work by its scorer: the table of what passes, and whose fault it is where it does not.
 *
 * (V1) `task`: the work is not what it should be. `verifier`: whether it is could not be found out. `transport`: there is
 *      no exit code, so nothing is known of how it ended.
 * (V2) Scorers read inside the workspace only, bounded in size and time, and change nothing.
 * (V3) A verdict names its evidence by digest.
 */
import type { FleetArtifactRef, FleetScorerSpec } from '../../protocol/fleet/index.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { openInWorkspace, readAtMost, type Opened } from '../workspace/workspace-file.js';
import type { Answer, Question } from './evaluate.js';
import { checksumOf, keepEvidence } from './evidence.js';
import type { CommandOutcome, ScoringPorts } from './ports.js';
import { fail, partly, pass, undecided, type Verdict } from './verdict.js';

export interface Work {
  /** Absolute. */
  readonly workspace: string;
  /** How the task's process ended, where there was one. */
  readonly exitCode: number | undefined;
  readonly signal: AbortSignal;
}

/** The verdict on a task's work; a task without a scorer waits for a person. */
export async function scoreWork(
  scorer: FleetScorerSpec | undefined,
  work: Work,
  ports: ScoringPorts,
): Promise<Verdict> {
  switch (scorer?.kind) {
    case 'exit_code':
      return byExitCode(work.exitCode);
    case 'file_exists':
      return await withFile(work, scorer.path, async (file) => pass([await reference(file, scorer.path)]));
    case 'regex_match':
      return await byContent(work, scorer.path, ports, (text) => ({
        kind: 'regex',
        pattern: scorer.pattern,
        text,
      }));
    case 'json_path':
      return await byContent(work, scorer.path, ports, (text) => ({
        kind: 'json_path',
        expression: scorer.expression,
        text,
      }));
    case 'command':
      return await byCommand([scorer.command, ...scorer.args], work, ports);
    case 'code_whale_verifier_prompt':
      return await byVerifier(scorer.prompt, work, ports);
    case 'manual':
      return undecided('person', 'waits for a person');
    case undefined:
      return undecided('person', 'the task has no scorer');
  }
}

function byExitCode(code: number | undefined): Verdict {
  if (code === undefined) return fail('transport', 'there is no exit code');
  return code === 0 ? pass() : fail('task', `exit code ${code}`);
}

type OpenFile = Extract<Opened, { ok: true }>;

const MISSING = {
  missing: 'there is no such file',
  outside: 'the file is a link out of the workspace',
  not_a_file: 'there is no file, but something else',
  unreadable: 'the file cannot be read',
} as const;

async function withFile(
  work: Work,
  path: string,
  look: (file: OpenFile) => Promise<Verdict>,
): Promise<Verdict> {
  const opened = await openInWorkspace(work.workspace, path);
  if (!opened.ok) {
    return opened.why === 'bad_path'
      ? fail('verifier', 'the path of the scorer is not one inside the workspace')
      : fail('task', MISSING[opened.why]);
  }
  try {
    return await look(opened);
  } finally {
    await opened.file.close();
  }
}

/** A file that only has to be there may be of any size, and is not read. */
async function reference({ file, size }: OpenFile, path: string): Promise<FleetArtifactRef> {
  const bytes = size <= DEFAULT_FLEET_LIMITS.maxScoredBytes ? await read(file) : undefined;
  return {
    kind: 'report',
    path,
    ...(bytes === undefined ? {} : { checksum: checksumOf(bytes) }),
    size_bytes: bytes?.byteLength ?? size,
  };
}

function read(file: OpenFile['file']): Promise<Buffer | undefined> {
  return readAtMost(file, DEFAULT_FLEET_LIMITS.maxScoredBytes);
}

async function byContent(
  work: Work,
  path: string,
  ports: ScoringPorts,
  ask: (text: string) => Question,
): Promise<Verdict> {
  return await withFile(work, path, async ({ file }) => {
    const bytes = await read(file);
    if (bytes === undefined) {
      return fail('verifier', `the file is larger than ${DEFAULT_FLEET_LIMITS.maxScoredBytes} bytes`);
    }
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return fail('verifier', 'the file is not UTF-8');
    }
    return await judged(await ports.evaluate(ask(text)), bytes, ports);
  });
}

async function judged(answer: Answer, bytes: Uint8Array, { evidence }: ScoringPorts): Promise<Verdict> {
  const kept = async () => [await keepEvidence(evidence, bytes, { kind: 'report', mimeType: 'text/plain' })];
  switch (answer.kind) {
    case 'bad_expression':
    case 'gave_out':
      return fail('verifier', answer.fault);
    case 'bad_document':
      return fail('task', answer.fault, await kept());
    case 'fails':
      return fail('task', 'the file does not match', await kept());
    case 'holds':
      return pass(await kept());
  }
}

async function byCommand(
  argv: readonly [string, ...string[]],
  { workspace, signal }: Work,
  { run, evidence }: ScoringPorts,
): Promise<Verdict> {
  if (run === undefined) return fail('verifier', 'commands cannot be started here');
  const { maxScorerCommandMs: timeoutMs, maxEvidenceBytes: maxOutputBytes } = DEFAULT_FLEET_LIMITS;
  const outcome = await run({ argv, workspace, timeoutMs, maxOutputBytes, signal });
  if (outcome.kind === 'cannot_start')
    return fail('verifier', `the command cannot be started: ${outcome.reason}`);
  const kept: FleetArtifactRef[] = [];
  for (const bytes of [outcome.stdout, outcome.stderr]) {
    if (bytes.byteLength > 0)
      kept.push(await keepEvidence(evidence, bytes, { kind: 'log', mimeType: 'text/plain' }));
  }
  return ofCommand(outcome, kept, timeoutMs);
}

function ofCommand(
  outcome: Exclude<CommandOutcome, { kind: 'cannot_start' }>,
  kept: readonly FleetArtifactRef[],
  timeoutMs: number,
): Verdict {
  switch (outcome.kind) {
    case 'exited':
      return outcome.code === 0 ? pass(kept) : fail('task', `the command ended with ${outcome.code}`, kept);
    case 'killed':
      return fail('verifier', `the command was ended by ${outcome.signal}`, kept);
    case 'timed_out':
      return fail('verifier', `the command did not end within ${timeoutMs} ms`, kept);
  }
}

async function byVerifier(
  prompt: string,
  { workspace, signal }: Work,
  ports: ScoringPorts,
): Promise<Verdict> {
  if (ports.verify === undefined) return undecided('verifier', 'no verifier is chosen');
  const timeoutMs = DEFAULT_FLEET_LIMITS.maxVerifierMs;
  const answer = await ports.verify({ prompt, workspace, timeoutMs, signal });
  if (answer.kind === 'failed') return fail('verifier', `the verifier failed: ${answer.reason}`);
  const said = Buffer.from(JSON.stringify({ prompt, result: answer.result, notes: answer.notes ?? null }));
  const kept = [await keepEvidence(ports.evidence, said, { kind: 'report', mimeType: 'application/json' })];
  switch (answer.result) {
    case 'pass':
      return pass(kept, answer.notes);
    case 'partial':
      return partly(answer.notes, kept);
    case 'fail':
      return fail('task', answer.notes ?? 'the verifier says no', kept);
  }
}
