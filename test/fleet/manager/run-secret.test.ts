/** A whole run with planted secrets, as a user has it: every byte that it wrote, and every command line meanwhile. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Arcp } from '../../cli/arcp.js';

const IN_ENV = 'planted-8e1b54c7-in-the-environment';
const IN_FILE = 'planted-5d02aa91-in-a-file';
const PLANTED = [IN_ENV, IN_FILE];

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-secret-')));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Every file below, with what is in it. */
function filesIn(folder: string): readonly (readonly [string, Buffer])[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path, readFileSync(path)] as const);
}

/** As it is, or in base64. */
function showsSecret(bytes: Buffer): boolean {
  return PLANTED.some(
    (secret) => bytes.includes(secret) || bytes.includes(Buffer.from(secret).toString('base64').slice(0, -4)),
  );
}

function commandLines(): readonly Buffer[] {
  // Where there is no /proc, nobody's can be seen.
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`)];
      } catch {
        return [];
      }
    });
}

it('hands a task its secrets, and they are in nothing that the run wrote or told, and in no command line', async () => {
  const secrets = join(root, 'data/fleet/secrets');
  mkdirSync(secrets, { recursive: true, mode: 0o700 });
  const secretFile = join(secrets, 'FILED');
  writeFileSync(secretFile, IN_FILE, { mode: 0o600 });
  // What it has is known by its hash; beside, it says it aloud on both outputs, as careless programs do.
  const has =
    'printf %s "$PLANTED" | sha256sum > had; printf %s "$FILED" | sha256sum >> had; echo "$PLANTED $FILED"; echo "$PLANTED" >&2; sleep 2';
  const hasNot = 'env; test -z "$PLANTED$FILED"';
  const task = (id: string, script: string): object => ({
    id,
    name: id,
    instructions: 'do it',
    workspace: { root },
    worker: { role: 'implementer', capabilities: [id] },
    scorer: { kind: 'exit_code' },
    retry_policy: { max_attempts: 1 },
    metadata: { command: ['sh', '-c', script] },
  });
  const worker = (can: string, trust: string): object => ({
    id: `of-${can}`,
    name: can,
    host: { kind: 'local' },
    capabilities: [can],
    trust_level: trust,
  });
  const spec = join(root, 'spec.json');
  writeFileSync(
    spec,
    JSON.stringify({
      security_policy: {
        allowed_secrets: [
          { key: 'PLANTED', source: 'env' },
          { key: 'FILED', source: 'file' },
        ],
      },
      workers: [worker('has', 'local'), worker('has-not', 'sandbox')],
      tasks: [
        task('has', has),
        { ...task('has-not', hasNot), worker: { role: 'review', capabilities: ['has-not'] } },
      ],
    }),
  );
  const run = new Arcp(['fleet', 'run', spec, '--data', join(root, 'data'), '--json'], { PLANTED: IN_ENV });
  const ended = { is: false };
  void run.process.once('exit', () => (ended.is = true));
  let looks = 0;
  while (!ended.is) {
    for (const line of commandLines()) expect(showsSecret(line)).toBe(false);
    looks += 1;
    await wait(50);
  }
  expect(looks).toBeGreaterThan(10);
  expect(run.stdout).toContain('"result":"pass"');
  expect(readFileSync(join(root, 'had'), 'utf8')).toBe(`${digest(IN_ENV)}  -\n${digest(IN_FILE)}  -\n`);
  expect(run.process.exitCode).toBe(0);
  const written = filesIn(root).filter(([path]) => path !== secretFile);
  // The store, its log beside it, and what the commands wrote are among them.
  expect(written.some(([path]) => path.includes('.db') || path.includes('sqlite'))).toBe(true);
  expect(written.some(([, bytes]) => bytes.includes('<secret:'))).toBe(true);
  expect(written.filter(([, bytes]) => showsSecret(bytes)).map(([path]) => path)).toEqual([]);
  expect(showsSecret(Buffer.from(run.stdout + run.stderr))).toBe(false);
}, 120_000);
