/**
 * This process's stdin and stdout as one connection to whoever started it.
 *
 * (Y1) What anything else in the process prints to stdout goes to stderr: an agent that prints breaks no frame.
 * (Y2) When whoever is at the other end goes, the connection ends and nothing else: there is work to be stopped in order.
 */
import { Writable } from 'node:stream';
import { streamTransport } from './stdio.js';
import type { Transport } from './transport.js';

/** Takes both for good: to be called once, before anything prints. */
export function ownStdio(): Transport {
  const { stdin, stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  // (Y1)
  stdout.write = stderr.write.bind(stderr);
  // (Y2) Written through `frames`, which is told of what goes wrong.
  stdout.removeAllListeners('error').on('error', () => undefined);
  const frames = new Writable({
    write(chunk: Buffer, _encoding, done) {
      write(chunk, done);
    },
  });
  return streamTransport(stdin, frames);
}
