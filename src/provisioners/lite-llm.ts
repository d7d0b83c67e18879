/** Virtual keys of an LLM gateway that speaks LiteLLM's key management (`/key/generate`, `/key/delete`). */
import * as z from 'zod';
import { formatAmount } from '../protocol/cost-budget.js';
import { ArcpError } from '../protocol/errors.js';
import type {
  CredentialId,
  CredentialProvisioner,
  CredentialRequest,
  IssuedCredential,
} from '../runtime/credentials/provisioner.js';

export interface LiteLlmOptions {
  /** Where the gateway manages keys, e.g. `http://127.0.0.1:4000`. */
  readonly url: string;
  /** What it lets its keys be managed with. */
  readonly masterKey: string;
  /** Where the keys are good. Default `url`. */
  readonly endpoint?: string;
}

/** The currency that the gateway counts in. */
const CURRENCY = 'USD';

/** Answers that are larger are no answers. */
const MAX_ANSWER_BYTES = 65_536;

const generated = z.object({ key: z.string().min(1) });

/**
 * Issues each job a key of its own, with the job's id as its user, the lease's models, its budget in US dollars and its
 * end; other currencies are not the gateway's.
 *
 * @example
 * ```ts
 * const runtime = createRuntime({ credentials: liteLlm({ url, masterKey: process.env.GATEWAY_KEY ?? '' }) });
 * ```
 */
export function liteLlm({ url, masterKey, endpoint = url }: LiteLlmOptions): CredentialProvisioner {
  const base = new URL(url);
  if (masterKey === '') throw new ArcpError('INVALID_ARGUMENT', 'the master key of the gateway is empty');
  const post = (path: string, body: string, signal: AbortSignal): Promise<Response> =>
    fetch(new URL(path, base), {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body,
      redirect: 'error',
      signal,
    });
  return {
    async issue(request, signal): Promise<IssuedCredential> {
      // A key of that name is left where an earlier answer was lost.
      await remove(post, request.id, signal);
      const response = await post('/key/generate', keyRequest(request), signal);
      if (!response.ok) throw refused(response);
      const { key } = generated.parse(await jsonOf(response));
      return { scheme: 'bearer', value: key, endpoint };
    },
    revoke: (id, signal) => remove(post, id, signal),
  };
}

async function remove(
  post: (path: string, body: string, signal: AbortSignal) => Promise<Response>,
  id: CredentialId,
  signal: AbortSignal,
): Promise<void> {
  const response = await post('/key/delete', JSON.stringify({ key_aliases: [id] }), signal);
  await response.body?.cancel();
  if (!response.ok && response.status !== 404) throw refused(response);
}

/** Money goes over as the digits that it has: no number type of ours rounds it. */
function keyRequest({ id, jobId, agent, principal, constraints }: CredentialRequest): string {
  const { budget, models, lifetimeMs } = constraints;
  const limit = budget?.get(CURRENCY);
  const rest = JSON.stringify({
    key_alias: id,
    metadata: { job_id: jobId, agent, principal },
    ...(models === undefined ? {} : { models }),
    ...(lifetimeMs === undefined ? {} : { duration: `${Math.max(1, Math.ceil(lifetimeMs / 1_000))}s` }),
  });
  return limit === undefined ? rest : `${rest.slice(0, -1)},"max_budget":${formatAmount(limit)}}`;
}

async function jsonOf(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.length;
    if (size > MAX_ANSWER_BYTES)
      throw new ArcpError('RESOURCE_EXHAUSTED', 'the answer of the gateway is too large');
    chunks.push(bytes);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** Of the answer only its status is told: its text may repeat what it was asked with. */
function refused({ status }: Response): ArcpError {
  return new ArcpError('UNAVAILABLE', `the gateway answered ${status}`);
}
