/** Which URLs alerts go to: https, but for this machine, and with no secrets in the place of a user. */
import { isIP } from 'node:net';

/** What is wrong with the URL of an endpoint, or `undefined`. The URL is never repeated: it may be a secret. */
export function endpointUrlFault(text: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return 'expected a URL';
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
    return 'expected an https URL; http is for this machine only';
  }
  if (url.username !== '' || url.password !== '') return 'expected a URL without a user or a password';
  return undefined;
}

/** Whether the host of a URL is this machine by its name alone, without asking anybody. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}
