/**
 * Agents as a process that a runtime starts (`arcp serve --agent 'greeter@1.0.0=node greeter.mjs'`, `processAgent`): the
 * same agents and the same context as with `host`, and the conversation about their jobs as one JSON object a line.
 *
 * (S1) There is no session: the pipe is the runtime's own, nothing that was said is lost while it is there, and nothing is
 *      repeated. When it ends, what goes on here is stopped.
 * (S2) A line that is no message is told on stderr, which is the job's log, and changes nothing (L6).
 */
import type { Agent } from '../agents/agent.js';
import { clientLimits } from '../client/limits.js';
import { systemClock } from '../clock.js';
import { decodeFrame } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import { ownStdio } from '../transport/own-stdio.js';
import type { Transport, TransportEnd } from '../transport/transport.js';
import { HostedJobs } from './hosted-jobs.js';

/** Of what the runtime has yet to read, beyond which agents that do not wait are stopped. */
const MAX_UNREAD_BYTES = 16_777_216;

/**
 * Does the jobs that this process is given on stdin; resolves once stdin has ended and every agent has returned. What is
 * printed meanwhile goes to stderr, which is the log of the job.
 *
 * @example
 * ```ts
 * await hostStdio([greeter]);
 * ```
 */
export function hostStdio(agents: readonly Agent[]): Promise<void> {
  return hostOver(ownStdio(), agents);
}

/** The same over any way to a runtime that has no session. */
export async function hostOver(transport: Transport, agents: readonly Agent[]): Promise<void> {
  const jobs = new HostedJobs({
    agents,
    scope: '',
    clock: systemClock,
    maxFrameBytes: clientLimits(undefined).maxFrameBytes,
    began: () => undefined,
    ended: () => undefined,
    way: { kind: 'pipe', isBehind: () => transport.buffered > MAX_UNREAD_BYTES },
  });
  jobs.opened((frame) => {
    transport.send(frame);
    return true;
  });
  const end = await new Promise<TransportEnd>((closed) => {
    transport.start({
      message: (line) => {
        const decoded = decodeFrame(line);
        if (decoded.ok) jobs.receive(decoded.envelope);
        else process.stderr.write(`${decoded.refusal.message}\n`);
      },
      closed,
    });
  });
  jobs.closed(new ArcpError('UNAVAILABLE', `stdin has ended ${end.reason}`.trim()));
  await jobs.returned();
}
