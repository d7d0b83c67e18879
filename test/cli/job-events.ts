/** Events as a client gets them, made without a runtime. */
import type { JobEvent, JobEventType } from '../../src/client/index.js';
import { MESSAGES, type JobId } from '../../src/protocol/index.js';

export function jobEvent(type: JobEventType, job: string, payload: object = {}): JobEvent {
  const id: JobId = `job_${job}`;
  const fields = type === 'job.accepted' ? { job_id: id, ...payload } : payload;
  return {
    arcp: '1.1',
    id: 'msg_test',
    type,
    timestamp: '2026-01-01T00:00:00Z',
    job_id: id,
    payload: MESSAGES[type].schema.parse(fields),
  } as JobEvent;
}

/** `job.accepted` of a job and, with `parent`, of a child of that job. */
export function accepted(job: string, agent: string, parent?: string, delegateId?: string): JobEvent {
  return jobEvent('job.accepted', job, {
    agent,
    ...(parent === undefined ? {} : { parent_job_id: `job_${parent}` }),
    ...(delegateId === undefined ? {} : { delegate_id: delegateId }),
  });
}

export function charged(job: string, amount: string, unit: string, name = 'cost.search'): JobEvent {
  return jobEvent('metric', job, { name, value: Number(amount), unit, amount });
}
