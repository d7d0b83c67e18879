/**
 * Posts an alert to a URL that its author chose, without becoming anybody's way into our own network.
 *
 * (P1) https, but for this machine by its own name or address.
 * (P2) Every address that the name stands for is looked at, and the connection goes to one that was: a name that answers
 *      with a private address is refused unless the operator has allowed that host, whatever it answered before.
 * (P3) No redirect is followed, whereto ever.
 * (P4) No message shows the URL or the body: both can hold secrets.
 */
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { endpointUrlFault, isLoopbackHost } from './endpoint-url.js';
import { isLoopbackAddress, isPrivateAddress } from './private-addresses.js';

export type Delivery =
  | { readonly kind: 'delivered' }
  /** It may go better later; `afterMs` is what the endpoint asked for. */
  | { readonly kind: 'failed'; readonly why: string; readonly afterMs?: number | undefined }
  /** It will not go better. */
  | { readonly kind: 'refused'; readonly why: string };

export interface PostOptions {
  /** Hosts that may be private. */
  readonly allowedPrivateHosts: ReadonlySet<string>;
  /** Default: the system's. */
  readonly resolve?: Resolve;
  readonly timeoutMs?: number;
  /** Certificates (PEM) of authorities that count instead of the system's. */
  readonly ca?: string | undefined;
}

export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

export async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  options: PostOptions,
): Promise<Delivery> {
  const fault = endpointUrlFault(url);
  if (fault !== undefined) return { kind: 'refused', why: fault };
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const isSafe = (address: string): boolean => mayConnect(host, address, options.allowedPrivateHosts);
  // A name is checked when it is resolved; an address is not resolved.
  if (isIP(host) !== 0 && !isSafe(host)) return { kind: 'refused', why: PRIVATE };
  return await send(
    target,
    body,
    headers,
    checkedLookup(options.resolve ?? resolveBySystem, isSafe),
    options,
  );
}

const PRIVATE = 'the host has a private address';

/** (P1, P2) */
function mayConnect(host: string, address: string, allowed: ReadonlySet<string>): boolean {
  if (isLoopbackHost(host)) return isLoopbackAddress(address);
  return allowed.has(host.toLowerCase()) || !isPrivateAddress(address);
}

class PrivateAddressError extends Error {}

/** What the socket connects to is what was looked at: there is no second look-up in between. */
function checkedLookup(resolve: Resolve, isSafe: (address: string) => boolean): LookupFunction {
  return (host, options, callback) => {
    resolve(host).then(
      (addresses) => {
        const [first] = addresses;
        if (first === undefined) callback(new Error('the host has no address'), '', 0);
        else if (!addresses.every(({ address }) => isSafe(address)))
          callback(new PrivateAddressError(PRIVATE), '', 0);
        else if (options.all === true) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), '', 0),
    );
  };
}

const resolveBySystem: Resolve = (host) =>
  new Promise((resolve, reject) => {
    systemLookup(host, { all: true, verbatim: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });

function send(
  target: URL,
  body: string,
  headers: Readonly<Record<string, string>>,
  lookup: LookupFunction,
  { timeoutMs = DEFAULT_FLEET_LIMITS.alertTimeoutMs, ca }: PostOptions,
): Promise<Delivery> {
  return new Promise((resolve) => {
    const request = target.protocol === 'https:' ? requestHttps : requestHttp;
    const settings: RequestOptions = {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        ...headers,
      },
      lookup,
      // A socket of its own: one that is kept could be to an address that was right then.
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
    };
    const trusted = ca === undefined ? {} : { ca };
    const sent = request(target, { ...settings, ...trusted }, (answer) => {
      drain(answer);
      resolve(deliveryOf(answer));
    });
    sent.on('error', (error) => {
      resolve(
        error instanceof PrivateAddressError
          ? { kind: 'refused', why: PRIVATE }
          : { kind: 'failed', why: failureOf(error) },
      );
    });
    sent.end(body);
  });
}

/** The answer's text is nothing to us, and there is no end to what a stranger can send. */
function drain(answer: IncomingMessage): void {
  let length = 0;
  answer.on('error', () => undefined);
  answer.on('data', (bytes: Buffer) => {
    length += bytes.length;
    if (length > DEFAULT_FLEET_LIMITS.maxAlertAnswerBytes) answer.destroy();
  });
}

function deliveryOf({ statusCode = 0, headers }: IncomingMessage): Delivery {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'delivered' };
  if (statusCode === 408 || statusCode === 425 || statusCode === 429 || statusCode >= 500) {
    return {
      kind: 'failed',
      why: `the endpoint answered ${statusCode}`,
      afterMs: retryAfter(headers['retry-after']),
    };
  }
  const why =
    statusCode >= 300 && statusCode < 400
      ? 'a redirect, which is not followed'
      : `the endpoint answered ${statusCode}`;
  return { kind: 'refused', why };
}

/** In seconds only; a date would be by the endpoint's clock. */
function retryAfter(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : undefined;
}

/** (P4) The system's messages repeat names and addresses; its codes do not. */
function failureOf(error: Error): string {
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time';
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? 'the endpoint cannot be reached' : `the endpoint cannot be reached (${code})`;
}
