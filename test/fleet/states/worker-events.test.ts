import { describe, expect, it } from 'vitest';
import { MANAGER_STATES, workerEventOf } from '../../../src/fleet/states/worker-events.js';
import { decodeEnvelope, type MessageType } from '../../../src/protocol/index.js';
import { FLEET_WORKER_EVENT_STATES, readFleet } from '../../../src/protocol/fleet/index.js';

/** Through the decoder, as it came from the wire. */
function told(type: MessageType, payload: object): unknown {
  const read = decodeEnvelope({
    arcp: '1.1',
    id: 'msg_1',
    type,
    timestamp: '2026-06-12T17:00:00Z',
    session_id: 'sess_1',
    job_id: 'job_1',
    payload,
  });
  if (!read.ok) throw new Error(read.refusal.message);
  const event = workerEventOf(read.envelope.type, read.envelope.payload as never);
  if (event !== undefined) expect(readFleet('worker_event_payload', event)).toEqual(event);
  return event;
}

const CASES: readonly [MessageType, object, object | undefined][] = [
  ['job.accepted', { job_id: 'job_1' }, { state: 'starting' }],
  ['job.started', {}, { state: 'running' }],
  ['job.progress', { percent: 5 }, { state: 'running' }],
  ['job.heartbeat', { sequence: 1, state: 'running' }, { state: 'heartbeat' }],
  ['metric', { name: 'cpu_percent', value: 12.5 }, { state: 'heartbeat', cpu_percent: 12.5 }],
  ['metric', { name: 'memory_mb', value: 200.4 }, { state: 'heartbeat', memory_mb: 200 }],
  ['metric', { name: 'memory_mb', value: -1 }, undefined],
  ['metric', { name: 'cost.search', value: 1 }, undefined],
  [
    'event.emit',
    { name: 'tool_call', data: { tool: 'bash', call_id: 'c1', args: {} } },
    { state: 'running_tool', tool: 'bash', call_id: 'c1' },
  ],
  ['event.emit', { name: 'tool_call' }, { state: 'running_tool', tool: 'unknown' }],
  ['event.emit', { name: 'tool_result', data: { call_id: 'c1' } }, { state: 'running' }],
  ['event.emit', { name: 'model_call', data: { model: 'm' } }, { state: 'model_wait', model: 'm' }],
  ['event.emit', { name: 'model_result' }, { state: 'running' }],
  [
    'event.emit',
    {
      name: 'artifact_ref',
      data: { uri: 'out/a.txt', content_type: 'text/plain', byte_size: 3, sha256: 'ab' },
    },
    {
      state: 'artifact',
      kind: 'log',
      path: 'out/a.txt',
      checksum: 'sha256:ab',
      mime_type: 'text/plain',
      size_bytes: 3,
    },
  ],
  ['event.emit', { name: 'artifact_ref', data: { kind: 'log' } }, undefined],
  ['event.emit', { name: 'constructor', data: {} }, undefined],
  ['log', { level: 'info', message: 'x' }, undefined],
  [
    'job.completed',
    { value: { exit_code: 3 }, summary: 'done' },
    { state: 'completed', exit_code: 3, summary: 'done' },
  ],
  ['job.completed', { value: { exit_code: 1e20 } }, { state: 'completed' }],
  [
    'job.failed',
    { code: 'ABORTED', message: 'the host is gone', retryable: true },
    { state: 'failed', reason: 'ABORTED: the host is gone', recoverable: true },
  ],
  [
    'job.failed',
    { code: 'INTERNAL', message: 'x' },
    { state: 'failed', reason: 'INTERNAL: x', recoverable: false },
  ],
  ['job.cancelled', { source: 'client' }, { state: 'cancelled', cancelled_by: 'client' }],
  ['job.cancelled', {}, { state: 'cancelled' }],
];

describe('what the events of a job say of its task', () => {
  it.each(CASES)('%s %j', (type, payload, expected) => {
    expect(told(type, payload)).toEqual(expected);
  });

  it('covers every state but those that are the manager’s', () => {
    const states = CASES.flatMap(([, , event]) =>
      event !== undefined && 'state' in event ? [String(event.state)] : [],
    );
    expect([...new Set([...states, ...MANAGER_STATES])].sort()).toEqual(
      [...FLEET_WORKER_EVENT_STATES].sort(),
    );
  });
});
