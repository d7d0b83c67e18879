import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { checkSpec, type Checked, type SpecFormat } from '../../../src/fleet/spec/check.js';
import { formatOf, loadSpec } from '../../../src/fleet/spec/load.js';

const ROOT = join(import.meta.dirname, '../../..');
const task = { id: 'a', name: 'A', instructions: 'do it' };

function check(value: unknown): Checked {
  return checkSpec(JSON.stringify(value, null, 1), 'json', 'file');
}

/** `path: message` of each. */
function told(checked: Checked, severity = 'error'): string[] {
  return checked.problems
    .filter((problem) => problem.severity === severity)
    .map(({ path, message }) => `${path}: ${message}`);
}

describe('a task-spec file', () => {
  it('is a document, a list of tasks, or one bare task', () => {
    for (const value of [task, [task], { tasks: [task] }]) {
      expect(check(value).spec?.tasks.map(({ id }) => id)).toEqual(['a']);
    }
    expect(told(check({ name: 'x' }))).toEqual(['tasks: missing, expected a list of tasks']);
    expect(told(check({ tasks: [] }))).toEqual(['tasks: expected at least one task']);
    expect(told(check([]))).toEqual([': expected at least one task']);
    for (const value of [1, null, 'x', true]) {
      expect(told(check(value))).toEqual([': expected a task, a list of tasks, or a document with tasks']);
    }
  });

  it('gives its run a name, or its stem does', async () => {
    expect(check({ name: 'nightly', tasks: [task] }).spec?.name).toBe('nightly');
    expect(check(task).spec?.name).toBe('file');
    const { spec } = await loadSpec(join(ROOT, 'examples/fleet/one-task.json'));
    expect(spec?.name).toBe('one-task');
  });

  it('has workers under either name, and not under both', () => {
    const worker = { id: 'w', name: 'W', host: { kind: 'local' } };
    expect(check({ tasks: [task], workers: [worker] }).spec?.workers).toHaveLength(1);
    expect(check({ tasks: [task], worker_specs: [worker] }).spec?.workers).toHaveLength(1);
    expect(told(check({ tasks: [task], workers: [worker], worker_specs: [worker] }))).toEqual([
      'worker_specs: the same as workers, which is given too',
    ]);
  });

  it('says the same in JSON, TOML and YAML', () => {
    const toml = `
name = "n"
[labels]
"a.b" = "c"
[[tasks]]
id = "a"
name = "A"
instructions = """
two
lines"""
worker.role = "review"
metadata.when = 2026-06-12
[tasks.scorer]
kind = "command"
command = "make"
args = ["-j", "2"]
[[tasks]]
id = "b"
name = "B"
instructions = 'b'
alert_policy = { channels = [{ kind = "slack", url = "https://a.example" }] }
[[tasks.metadata.list]]
x = 1
[[tasks.metadata.list]]
x = 2.5
`;
    const value = {
      name: 'n',
      labels: { 'a.b': 'c' },
      tasks: [
        {
          id: 'a',
          name: 'A',
          instructions: 'two\nlines',
          worker: { role: 'review' },
          metadata: { when: '2026-06-12' },
          scorer: { kind: 'command', command: 'make', args: ['-j', '2'] },
        },
        {
          id: 'b',
          name: 'B',
          instructions: 'b',
          alert_policy: { channels: [{ kind: 'slack', url: 'https://a.example' }] },
          metadata: { list: [{ x: 1 }, { x: 2.5 }] },
        },
      ],
    };
    const json = check(value);
    expect(json.problems).toEqual([]);
    expect(checkSpec(toml, 'toml', 'file')).toEqual(json);
    expect(checkSpec(stringify(value), 'yaml', 'file')).toEqual(json);
  });

  it('is told by its ending', () => {
    expect(['a.toml', 'a.YAML', 'a.yml', 'a.json', 'a', 'a.txt'].map(formatOf)).toEqual([
      'toml',
      'yaml',
      'yaml',
      'json',
      'json',
      'json',
    ]);
  });
});

describe('mistakes', () => {
  it('are told all at once, each with its line, its column and its path, in every format', () => {
    const files: Record<SpecFormat, string> = {
      json: '{"tasks": [\n  {"id": "a b", "name": "A",\n   "instructions": ""},\n  {"id": "b",\n   "name": 3}\n]}',
      toml: '[[tasks]]\nid = "a b"\nname = "A"\ninstructions = ""\n[[tasks]]\nid = "b"\nname = 3\n',
      yaml: 'tasks:\n  - id: a b\n    name: A\n    instructions: ""\n  - id: b\n    name: 3\n',
    };
    const places: Record<SpecFormat, string[]> = {
      json: ['2:10', '3:20', '4:3', '5:12'],
      toml: ['2:6', '4:16', '5:1', '7:8'],
      yaml: ['2:9', '4:19', '5:5', '6:11'],
    };
    for (const [format, text] of Object.entries(files) as [SpecFormat, string][]) {
      const { spec, problems } = checkSpec(text, format, 'file');
      expect(spec).toBeUndefined();
      expect(
        problems.map(({ line, column }) => `${line}:${column}`),
        format,
      ).toEqual(places[format]);
      expect(
        problems.map(({ path }) => path),
        format,
      ).toEqual(['tasks[0].id', 'tasks[0].instructions', 'tasks[1].instructions', 'tasks[1].name']);
    }
  });

  it.each([
    ['json', '{"id": "a",\n "id": "b"}', '2:2', '"id" is given twice'],
    ['json', '{"id": "a",', '1:11', 'Unexpected token Comma'],
    ['json', '// no\n{}', '1:1', 'Unexpected character'],
    ['json', '', '1:1', 'Unexpected end'],
    ['json', '['.repeat(999), '1:1', 'nested too deeply'],
    ['toml', 'a = 1\na = 2', '2:1', 'multiple times'],
    ['toml', 'a = ', '1:5', ''],
    ['toml', 'a = inf', '1:5', 'a number that JSON cannot carry'],
    ['toml', 'a = 9007199254740993', '1:5', 'write it as a string'],
    ['toml', `a = ${'['.repeat(99)}1${']'.repeat(99)}`, '1:1', 'nested too deeply'],
    ['yaml', 'a: 1\na: 2', '2:1', 'unique'],
    ['yaml', 'a: &x [*x]', '1:8', 'an alias of what it stands in'],
    ['yaml', 'a: !!js/function x', '1:4', 'Unresolved tag'],
    ['yaml', 'a: .inf', '1:4', 'a value that JSON cannot carry'],
    ['yaml', 'a: 9007199254740993', '1:4', 'write it as a string'],
    ['yaml', '? [1]\n: 2', '1:3', 'a key that is no text'],
    ['yaml', 'a: 1\n---\nb: 2', '2:1', 'multiple documents'],
    ['yaml', 'a: *nothing', '1:4', 'nothing'],
  ] as const)('of syntax in %s are told with their place: %s', (format, text, place, message) => {
    const { spec, problems } = checkSpec(text, format, 'file');
    expect(spec).toBeUndefined();
    const [first] = problems;
    expect(first?.message).toContain(message);
    expect(`${String(first?.line)}:${String(first?.column)}`, first?.message).toBe(place);
  });

  it('of ids and names are told', () => {
    const worker = { id: 'w', name: 'W', host: { kind: 'local' } };
    expect(
      told(
        check({
          name: 'a\nb',
          tasks: [task, { ...task, name: 'x'.repeat(257) }, { ...task, id: '..' }, { id: 'a' }],
          workers: [worker, worker],
        }),
      ),
    ).toEqual([
      'name: a name has no control characters',
      'tasks[1].id: another task has this id',
      'tasks[1].name: a name has at most 256 bytes',
      'tasks[2].id: expected 1 to 128 of A-Z a-z 0-9 . _ -',
      'tasks[3].name: missing, expected a string',
      'tasks[3].instructions: missing, expected a string',
      'tasks[3].id: another task has this id',
      'workers[1].id: another worker has this id',
    ]);
  });

  it.each([
    [{ instructions: ' \n' }, 'instructions: expected instructions, not blank'],
    [{ objective: ' ' }, 'objective: expected an objective, not blank'],
    [{ tags: ['x', 'y', 'x'] }, 'tags[2]: this tag is given twice'],
    [{ worker: { role: 'revew' } }, 'worker.role: unknown role, did you mean "review"?'],
    [
      { worker: { tool_profile: 'everything' } },
      'worker.tool_profile: unknown tool profile; there are inherit,',
    ],
    [{ worker: { tools: ['a b'] } }, 'worker.tools[0]: expected the name of a tool'],
    [{ worker: { tools: ['a', 'a'] } }, 'worker.tools[1]: this tool is given twice'],
    [{ input_files: ['/etc/passwd'] }, 'input_files[0]: expected a path relative to the workspace'],
    [{ workspace: { required_files: ['a/../../b'] } }, 'workspace.required_files[0]: expected a path inside'],
    [{ workspace: { writable_paths: ['C:\\x'] } }, 'workspace.writable_paths[0]: expected a path relative'],
    [{ workspace: { root: '' } }, 'workspace.root: expected a path'],
    [
      { workspace: { environment: { required: ['A-B'] } } },
      'workspace.environment.required[0]: expected the name',
    ],
    [{ scorer: { kind: 'file_exists', path: '..' } }, 'scorer.path: expected a path inside'],
    [{ scorer: { kind: 'regex_match', path: 'x', pattern: '(' } }, 'scorer.pattern: error parsing regexp'],
    [
      { scorer: { kind: 'regex_match', path: 'x', pattern: 'a'.repeat(5000) } },
      'scorer.pattern: longer than 4096',
    ],
    [{ scorer: { kind: 'json_path', path: 'x', expression: 'a.b' } }, 'scorer.expression: '],
    [{ scorer: { kind: 'command', command: ' ' } }, 'scorer.command: expected a command, not blank'],
    [{ scorer: { kind: 'code_whale_verifier_prompt', prompt: '' } }, 'scorer.prompt: expected a prompt'],
    [{ metadata: { agent: 'a@b@c' } }, 'metadata.agent: '],
    [{ metadata: { agent: 1 } }, 'metadata.agent: expected the name of an agent'],
    [{ metadata: { agent: 'command' } }, 'metadata.command: missing, the agent command runs it'],
    [{ metadata: { command: 'ls -l' } }, 'metadata.command: expected a command and its arguments, as a list'],
    [{ metadata: { priority: 1.5 } }, 'metadata.priority: expected an integer'],
    [
      { alert_policy: { channels: [{ kind: 'slack' }] } },
      'alert_policy.channels[0]: expected a url or a url_ref',
    ],
    [
      { alert_policy: { channels: [{ kind: 'webhook', url: 'http://a.example' }] } },
      'alert_policy.channels[0].url: expected an https URL',
    ],
    [
      { alert_policy: { channels: [{ kind: 'webhook', url: 'https://a:b@c.example' }] } },
      'alert_policy.channels[0].url: expected a URL without a user',
    ],
    [
      { alert_policy: { channels: [{ kind: 'pager_duty', routing_key: ' ', severity: 'bad' }] } },
      'alert_policy.channels[0].routing_key: expected a routing key',
    ],
    [
      { alert_policy: { channels: [{ kind: 'webhook', url_ref: { key: 'A', source: 'vault' } }] } },
      'alert_policy.channels[0].url_ref.source: expected one of env, keyring, file',
    ],
    [
      { alert_policy: { channels: [{ kind: 'webhook', url_ref: '../A' }] } },
      'alert_policy.channels[0].url_ref.key: expected the name of a secret',
    ],
  ])('of a task are told: %j', (part, message) => {
    expect(told(check({ ...task, ...part }))[0]).toContain(message);
  });

  it.each([
    [
      { host: { kind: 'ssh', host: '-oProxyCommand=x' } },
      'host.host: expected the name or the address of a host',
    ],
    [{ host: { kind: 'ssh', host: 'h', user: '-l' } }, 'host.user: expected the name of a user'],
    [{ host: { kind: 'ssh', host: 'h', port: 0 } }, 'host.port: expected a port from 1 to 65535'],
    [
      { host: { kind: 'ssh', host: 'h', host_key_fingerprint: 'SHA256:x' } },
      'host.host_key_fingerprint: expected',
    ],
    [{ host: { kind: 'ssh', host: 'h', env_allowlist: ['A='] } }, 'host.env_allowlist[0]: expected the name'],
    [{ host: { kind: 'docker', image: '--privileged' } }, 'host.image: expected the reference of an image'],
    [{ max_concurrent_tasks: 0 }, 'max_concurrent_tasks: a worker with 0 takes no task'],
    [{ capabilities: ['a', 'a'] }, 'capabilities[1]: this capability is given twice'],
    [{ auth: { method: 'mtls', cert_path: 'c', key_ref: 'K' } }, 'auth.method: mtls needs TLS'],
    [{ auth: { method: 'ssh_key', identity: 'i' } }, 'auth: ssh_key is for a host that is reached over ssh'],
    [{ auth: { method: 'token', token_ref: 'a b' } }, 'auth.token_ref.key: expected the name of a secret'],
  ])('of a worker are told: %j', (part, message) => {
    const worker = { id: 'w', name: 'W', host: { kind: 'local' }, ...part };
    expect(told(check({ tasks: [task], workers: [worker] }))[0]).toContain(`workers[0].${message}`);
  });

  it('of a policy are told, and what will be lowered is a warning', () => {
    const checked = check({
      tasks: [task],
      workers: [{ id: 'w', name: 'W', host: { kind: 'ssh', host: 'h' }, trust_level: 'operator' }],
      security_policy: {
        max_trust_level: 'local',
        default_trust_level: 'remote_verified',
        require_identity_verification: true,
        allowed_secrets: [{ key: 'A', source: 'x' }],
        capability_grants: [{ capability: 'netwrk', reason: 'r' }, { capability: 'write' }],
      },
    });
    expect(told(checked)).toEqual([
      'security_policy.allowed_secrets[0].source: expected one of env, keyring, file',
      'security_policy.capability_grants[0].capability: unknown capability, did you mean "network"?',
    ]);
    expect(told(checked, 'warning')).toEqual([
      'workers[0].host: without known_hosts or host_key_fingerprint its identity cannot be verified: it stays at sandbox',
      "workers[0].trust_level: above the run's ceiling, so it is local",
      "security_policy.default_trust_level: above the run's ceiling, so it is local",
      'security_policy.capability_grants[1]: a grant without a reason cannot be audited',
    ]);
  });

  it('of capabilities that nobody has, or that no one worker has together, are told where workers are given', () => {
    const needs = (...capabilities: string[]): object => ({ ...task, worker: { capabilities } });
    const workers = [
      { id: 'w', name: 'W', host: { kind: 'local' }, capabilities: ['rust'] },
      { id: 'v', name: 'V', host: { kind: 'local' }, capabilities: ['node', 'git'] },
    ];
    expect(told(check({ tasks: [needs('node', 'git')], workers }))).toEqual([]);
    expect(told(check({ tasks: [needs('rust', 'go')], workers }))).toEqual([
      'tasks[0].worker.capabilities[1]: no worker here has this capability',
    ]);
    expect(told(check({ tasks: [needs('rust', 'git')], workers }))).toEqual([
      'tasks[0].worker.capabilities: no worker here has all of these',
    ]);
    expect(told(check([needs('rust', 'go')]))).toEqual([]);
  });

  it('that are only unknown keys are warnings, with the key that was meant', () => {
    const checked = check([
      { ...task, timeout_secs: 3, scorer: { kind: 'manual', x: 1 }, metadata: { free: 1 } },
    ]);
    expect(checked.spec?.tasks).toHaveLength(1);
    expect(told(checked, 'warning')).toEqual([
      '[0].timeout_secs: unknown key, it is ignored',
      '[0].scorer.x: unknown key, it is ignored',
    ]);
    const [, meant] = told(
      check([
        { ...task, conext: ['x'] },
        { ...task, id: 'b', tgas: [] },
      ]),
      'warning',
    );
    expect(meant).toBe('[1].tgas: unknown key, it is ignored, did you mean "tags"?');
  });

  it('are told up to a bound (L7)', () => {
    const { problems } = check(Array.from({ length: 5000 }, () => ({})));
    expect(problems).toHaveLength(200);
  });

  it('show no value that could be a secret', () => {
    const { problems } = check({
      ...task,
      alert_policy: {
        channels: [
          { kind: 'webhook', url: 'http://hunter2.example/hunter2' },
          { kind: 'webhook', url: 'hunter2' },
          { kind: 'pager_duty', routing_key: 'hunter2', severity: 'hunter2' },
        ],
      },
    });
    expect(problems).toHaveLength(3);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });
});

describe('laws of the check', () => {
  const anything = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.json(),
    fc
      .constantFrom(...['one-task.json', 'repository.toml', 'review.yaml'].map(example))
      .chain((text) =>
        fc
          .tuple(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 5 }))
          .map(([at, removed, put]) => text.slice(0, at) + put + text.slice(at + removed)),
      ),
  );

  function example(name: string): string {
    return readFileSync(join(ROOT, 'examples/fleet', name), 'utf8');
  }

  it('it never throws, and gives either a spec or an error with a place (C1, C3)', () => {
    const formats = fc.constantFrom<SpecFormat>('json', 'toml', 'yaml');
    fc.assert(
      fc.property(anything, formats, (text, format) => {
        const { spec, problems } = checkSpec(text, format, 'file');
        expect(spec === undefined).toBe(problems.some(({ severity }) => severity === 'error'));
        const lines = text.split(/\r\n|[\r\n]/).length;
        for (const { line, column } of problems) {
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(lines + 1);
          expect(column).toBeGreaterThanOrEqual(1);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('aliases of aliases do not grow without bound (L7)', () => {
    const levels = Array.from({ length: 30 }, (_, i) =>
      i === 0 ? 'a0: &a0 [x, x]' : `a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}x]`,
    );
    const { problems } = checkSpec(levels.join('\n'), 'yaml', 'file');
    expect(problems[0]?.message).toBe('too many values');
  });
});

describe('the examples', () => {
  const folder = join(ROOT, 'examples/fleet');

  it.each(readdirSync(folder).filter((name) => /\.(json|toml|ya?ml)$/.test(name)))(
    '%s has no mistake',
    async (name) => {
      const { spec, problems } = await loadSpec(join(folder, name));
      expect(problems).toEqual([]);
      expect(spec?.tasks.length).toBeGreaterThan(0);
    },
  );
});
