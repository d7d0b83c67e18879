/**
 * Where the runtime of a data folder listens, written into the folder: so that `arcp fleet status` finds the runtime of an
 * `arcp fleet run` beside it without being told.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as z from 'zod';

const endpoint = z.object({ url: z.string(), pid: z.int(), token_file: z.string().optional() });

export type Endpoint = z.output<typeof endpoint>;

export function fleetFolder(data: string): string {
  return join(resolve(data), 'fleet');
}

function endpointPath(data: string): string {
  return join(fleetFolder(data), 'endpoint.json');
}

/** Goes with the process, however that ends, but for a kill. */
export function keepEndpoint(data: string, found: Omit<Endpoint, 'pid'>): void {
  const path = endpointPath(data);
  mkdirSync(fleetFolder(data), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, `${JSON.stringify({ ...found, pid: process.pid })}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
  process.once('exit', () => {
    if (findEndpoint(data)?.pid === process.pid) rmSync(path, { force: true });
  });
}

/** Of a runtime that may be gone. */
export function findEndpoint(data: string): Endpoint | undefined {
  try {
    return endpoint.parse(JSON.parse(readFileSync(endpointPath(data), 'utf8')));
  } catch {
    return undefined;
  }
}
