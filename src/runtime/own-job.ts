import { ArcpError } from '../protocol/errors.js';
import type { Job } from './job.js';
import type { JobTable } from './job-table.js';

/** A job of this principal. Throws NOT_FOUND, or PERMISSION_DENIED for another's (decision 10). */
export function ownJob(
  jobs: JobTable,
  principal: string,
  jobId: string,
  noSuch = (): ArcpError => new ArcpError('NOT_FOUND', 'there is no such job'),
): Job {
  const job = jobs.find(jobId);
  if (job === undefined || job.log.committedSeq === 0) throw noSuch();
  if (job.origin.principal !== principal) {
    throw new ArcpError('PERMISSION_DENIED', 'the job belongs to another principal');
  }
  return job;
}
