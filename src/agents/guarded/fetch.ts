/**
 * `ctx.fetch`: requests to where the lease of the job covers it.
 *
 * (N1) Every hop is asked for: redirects are followed by hand, and each address that one leads to is one more act.
 * (N2) What belongs to one origin does not travel to another: credentials are left behind on the way.
 * Only the address counts, by its name: what the name stands for is up to whoever resolves it.
 */
import { ArcpError } from '../../protocol/errors.js';

/** Asks for an act; rejects where it is refused. */
export type AskUrl = (url: string) => Promise<unknown>;

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const SECRETS = ['authorization', 'cookie', 'proxy-authorization'];
const OF_BODY = [
  'content-length',
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
];

/** @param signal aborts every request when the job is stopped */
export async function guardedFetch(
  ask: AskUrl,
  signal: AbortSignal,
  input: string | URL,
  init: RequestInit = {},
): Promise<Response> {
  let url = addressOf(String(input));
  let method = (init.method ?? 'GET').toUpperCase();
  let body = init.body ?? null;
  const headers = new Headers(init.headers);
  const given = init.signal ?? undefined;
  const stop = given === undefined ? signal : AbortSignal.any([signal, given]);
  for (let hops = 0; ; hops++) {
    stop.throwIfAborted();
    await ask(url.href);
    const response = await fetch(url, {
      ...init,
      method,
      headers,
      body,
      redirect: 'manual',
      signal: stop,
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    });
    const location = response.headers.get('location');
    if (!REDIRECTS.has(response.status) || location === null || init.redirect === 'manual') return response;
    await response.body?.cancel();
    if (init.redirect === 'error')
      throw new ArcpError('FAILED_PRECONDITION', `${url.href} redirects, which was not wanted`);
    if (hops >= MAX_REDIRECTS)
      throw new ArcpError('FAILED_PRECONDITION', `${url.href}: more than ${MAX_REDIRECTS} redirects`);
    const next = addressOf(location, url);
    const dropsBody =
      (response.status === 303 && method !== 'GET' && method !== 'HEAD') ||
      ((response.status === 301 || response.status === 302) && method === 'POST');
    if (dropsBody) {
      method = 'GET';
      body = null;
      for (const name of OF_BODY) headers.delete(name);
    } else if (body instanceof ReadableStream) {
      throw new ArcpError('FAILED_PRECONDITION', `${url.href} redirects: a stream cannot be sent again`);
    }
    if (next.origin !== url.origin) for (const name of SECRETS) headers.delete(name);
    url = next;
  }
}

function addressOf(text: string, base?: URL): URL {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw new ArcpError('INVALID_ARGUMENT', 'fetch: expected an address');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new ArcpError('INVALID_ARGUMENT', `fetch: expected http or https, not ${url.protocol}`);
  return url;
}
