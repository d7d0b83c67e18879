/** The tests of fleet.rs, in our words: what its authors thought worth a test. */
import { describe, expect, it } from 'vitest';
import {
  compareTrust,
  DEFAULT_RETRY_POLICY,
  DEFAULT_SECURITY_POLICY,
  FLEET_TRUST,
  readFleet,
  redactedEndpoint,
  redactedSecretRef,
  type FleetTypeName,
  type FleetValue,
} from '../../../src/protocol/fleet/index.js';

/** Reads, writes and reads again. */
function twice<Name extends FleetTypeName>(name: Name, value: unknown): FleetValue<Name> {
  return readFleet(name, JSON.parse(JSON.stringify(readFleet(name, value))));
}

describe('a run', () => {
  it('comes back with its tasks and what they require', () => {
    const run = twice('run', {
      id: 'run-001',
      name: 'dogfood smoke',
      status: 'running',
      created_at: '2026-06-12T17:00:00Z',
      task_specs: [
        {
          id: 'task-1',
          name: 'lint',
          objective: 'Keep the workspace lint-clean',
          instructions: 'run cargo clippy',
          worker: {
            role: 'release-checker',
            tool_profile: 'read-only',
            tools: ['cargo'],
            capabilities: ['rust'],
          },
          workspace: {
            root: '.',
            required_files: ['Cargo.toml'],
            environment: { required: ['PATH'], allowlist: ['RUST_LOG'] },
          },
          input_files: ['crates/tui/src/main.rs'],
          context: ['release gate'],
          budget: { max_tokens: 8000, max_tool_calls: 20, max_seconds: 300 },
          tags: ['release'],
          expected_artifacts: ['log'],
          scorer: { kind: 'exit_code' },
          retry_policy: {},
          timeout_seconds: 300,
        },
      ],
    });
    expect(run).toMatchObject({ id: 'run-001', status: 'running' });
    expect(run.task_specs).toHaveLength(1);
    expect(run.task_specs[0]?.worker?.role).toBe('release-checker');
    expect(run.task_specs[0]?.workspace?.required_files).toEqual(['Cargo.toml']);
  });
});

describe('worker events', () => {
  it('come back in their order, each with its payload', () => {
    const common = { run_id: 'run-002', worker_id: 'worker-a', task_id: 'task-1' };
    const events = [
      { seq: 1, ...common, timestamp: '2026-06-12T17:01:00Z', state: 'queued' },
      {
        seq: 2,
        ...common,
        timestamp: '2026-06-12T17:01:05Z',
        state: 'running_tool',
        tool: 'bash',
        call_id: 'call-1',
      },
      {
        seq: 3,
        ...common,
        timestamp: '2026-06-12T17:02:00Z',
        state: 'completed',
        exit_code: 0,
        summary: 'ok',
      },
    ].map((event) => twice('worker_event', event));
    expect(events.map(({ state }) => state)).toEqual(['queued', 'running_tool', 'completed']);
    expect(events[1]).toMatchObject({ tool: 'bash', call_id: 'call-1' });
  });

  it('leave out what is not known', () => {
    const written = (value: object): unknown =>
      JSON.parse(JSON.stringify(readFleet('worker_event_payload', value)));
    expect(written({ state: 'heartbeat', cpu_percent: null, memory_mb: null })).toStrictEqual({
      state: 'heartbeat',
    });
    expect(written({ state: 'completed', exit_code: null, summary: null })).toStrictEqual({
      state: 'completed',
    });
  });
});

describe('an alert policy', () => {
  it('is written with its classes as words and its channels flat', () => {
    const policy = readFleet('alert_policy', {
      events: ['stale'],
      channels: [{ kind: 'slack', url: 'https://hooks.slack.com/test' }],
      after_attempts: 2,
      after_minutes_stale: 10,
    });
    const text = JSON.stringify(policy);
    expect(text).toContain('"events":["stale"]');
    expect(text).toContain('{"kind":"slack","url":"https://hooks.slack.com/test"}');
    expect(twice('alert_policy', policy)).toEqual(policy);
  });

  it('reads the older names of a webhook’s fields', () => {
    const channel = readFleet('alert_channel', {
      kind: 'slack',
      webhook_url: 'https://hooks.slack.com/test',
      secret: 'SLACK_SIGNING_SECRET',
    });
    expect(channel).toEqual({
      kind: 'slack',
      url: 'https://hooks.slack.com/test',
      secret_ref: { key: 'SLACK_SIGNING_SECRET' },
    });
  });

  it('names the secret that holds a URL, and shows no URL', () => {
    const endpoint = twice('alert_endpoint', { url_ref: 'SLACK_WEBHOOK' });
    expect(JSON.stringify(endpoint)).toBe('{"url_ref":{"key":"SLACK_WEBHOOK"}}');
    expect(redactedEndpoint(endpoint)).toBe('<secret:SLACK_WEBHOOK>');
    expect(redactedEndpoint(readFleet('alert_endpoint', { url: 'https://hooks.slack.com/T/secret' }))).toBe(
      '<inline-url>',
    );
  });
});

describe('artifacts', () => {
  it('may be of any kind, which is a flat text', () => {
    expect(JSON.stringify(readFleet('artifact_kind', 'test_result'))).toBe('"test_result"');
    const artifact = twice('artifact_ref', {
      kind: 'coverage.xml',
      path: 'out/coverage.xml',
      checksum: 'sha256:abc',
      mime_type: 'application/xml',
      size_bytes: 1024,
    });
    expect(artifact).toMatchObject({ kind: 'coverage.xml', size_bytes: 1024 });
  });
});

describe('a host', () => {
  it('over ssh needs a name and nothing else', () => {
    expect(readFleet('host_spec', { kind: 'ssh', host: 'builder.example.test' })).toStrictEqual({
      kind: 'ssh',
      host: 'builder.example.test',
    });
  });

  it('over ssh keeps its pinned key', () => {
    const host = {
      kind: 'ssh',
      host: 'builder.trusted.example.com',
      port: 22,
      user: 'codewhale',
      identity: '~/.ssh/codewhale_fleet',
      known_hosts: '~/.ssh/known_hosts',
      host_key_fingerprint: 'SHA256:aLGqZo1M6c...',
      working_directory: 'srv/codewhale/work',
      env_allowlist: ['CODEWHALE_PROFILE'],
      codewhale_binary: 'bin/codewhale',
    };
    expect(twice('host_spec', host)).toStrictEqual(host);
  });
});

describe('a retry policy', () => {
  it('has defaults that are not zero, each by itself', () => {
    expect(readFleet('retry_policy', {})).toEqual(DEFAULT_RETRY_POLICY);
    expect(readFleet('retry_policy', { max_attempts: 5 })).toEqual({
      ...DEFAULT_RETRY_POLICY,
      max_attempts: 5,
    });
    expect(DEFAULT_RETRY_POLICY).toEqual({
      max_attempts: 3,
      initial_backoff_seconds: 5,
      max_backoff_seconds: 300,
      backoff_multiplier: 2,
    });
  });
});

describe('a receipt', () => {
  const common = {
    run_id: 'run-003',
    task_id: 'task-1',
    worker_id: 'worker-b',
    completed_at: '2026-06-12T17:03:00Z',
  };

  it('comes back with its result and its score', () => {
    const receipt = twice('receipt', { ...common, result: 'pass', score: { value: 0.95, max: 1 } });
    expect(receipt).toMatchObject({ result: 'pass', score: { value: 0.95, max: 1 } });
  });

  it('that is partial says where the doubt comes from', () => {
    const receipt = readFleet('receipt', {
      ...common,
      result: 'partial',
      failure_kind: 'verifier',
      score: { value: 0.5, max: 1, notes: 'manual verification required' },
    });
    const text = JSON.stringify(receipt);
    expect(text).toContain('"result":"partial"');
    expect(text).toContain('"failure_kind":"verifier"');
    expect(twice('receipt', receipt)).toEqual(receipt);
  });
});

describe('a secret reference', () => {
  it('shows its name and its source, and never a value', () => {
    expect(redactedSecretRef({ key: 'DEEPSEEK_API_KEY' })).toBe('<secret:DEEPSEEK_API_KEY>');
    expect(redactedSecretRef({ key: 'GH_TOKEN', source: 'env' })).toBe('<secret:env.GH_TOKEN>');
  });

  it('is read from a bare name too', () => {
    expect(readFleet('secret_ref', 'CODEWHALE_FLEET_TOKEN')).toEqual({ key: 'CODEWHALE_FLEET_TOKEN' });
    expect(readFleet('secret_ref', { key: 'GH_TOKEN', source: 'env' })).toEqual({
      key: 'GH_TOKEN',
      source: 'env',
    });
  });
});

describe('trust', () => {
  it('is read with a hyphen and written without', () => {
    expect(readFleet('trust_level', 'remote-verified')).toBe('remote_verified');
  });

  it('is conservative where a policy says nothing', () => {
    expect(DEFAULT_SECURITY_POLICY).toEqual({
      default_trust_level: 'sandbox',
      max_trust_level: 'operator',
      require_identity_verification: false,
      allow_parallel_reads: false,
    });
  });

  it('is ordered, and says what may be done', () => {
    expect(compareTrust('operator', 'remote_verified')).toBeGreaterThan(0);
    expect(compareTrust('remote_verified', 'local')).toBeGreaterThan(0);
    expect(compareTrust('local', 'sandbox')).toBeGreaterThan(0);
    expect(compareTrust('local', 'local')).toBe(0);
    expect(FLEET_TRUST.operator).toMatchObject({ secrets: true, workspace: true, network: true });
    expect(FLEET_TRUST.local).toMatchObject({ secrets: true, workspace: true, network: true });
    expect(FLEET_TRUST.remote_verified).toMatchObject({ secrets: true, workspace: false, network: true });
    expect(FLEET_TRUST.sandbox).toMatchObject({ secrets: false, workspace: false, network: false });
  });
});
