/** One line that a process wrote, as a message: what every message has to have and no reader needs may be left out. */
import { decodeEnvelope, type Decoded, PROTOCOL_VERSION } from '../../protocol/envelope.js';
import type { JobId, MessageId } from '../../protocol/ids.js';
import { nestsDeeperThan } from '../../protocol/nesting.js';
import { isJsonObject } from '../../protocol/scalars.js';

/** What stands for what a line does not say. */
export interface Unsaid {
  readonly id: MessageId;
  readonly timestamp: string;
  /** Of a process that has one job and no other. */
  readonly jobId: JobId | undefined;
}

/** Reads a line; `arcp`, `id`, `timestamp`, an empty `payload` and for some `job_id` may be missing. Never throws. */
export function readLine(line: string, maxNesting: number, unsaid: () => Unsaid): Decoded {
  if (nestsDeeperThan(line, maxNesting)) return refused(`the line nests deeper than ${maxNesting} levels`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return refused('the line is not JSON');
  }
  if (!isJsonObject(value)) return refused('the line is not a JSON object');
  const { id, timestamp, jobId } = unsaid();
  return decodeEnvelope({
    arcp: PROTOCOL_VERSION,
    id,
    timestamp,
    payload: {},
    ...(jobId === undefined ? {} : { job_id: jobId }),
    ...value,
  });
}

function refused(message: string): Decoded {
  const refusal = {
    kind: 'malformed',
    code: 'INVALID_ARGUMENT',
    message,
    id: undefined,
    optional: false,
  } as const;
  return { ok: false, refusal };
}
