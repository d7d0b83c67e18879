/**
 * Workers in containers, by the client of an engine: `docker`, or `podman` where there is none.
 *
 * (D1) A container has no capabilities, gains none, and has no network where its worker's trust has none.
 * (D2) What its client is told is nothing secret: that comes by stdin (`handover.ts`).
 * (D3) When its client is killed the container would go on: it has a name, and is removed by that.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';
import type { FleetHostSpec } from '../../protocol/fleet/index.js';
import { WORKER_COMMAND, type Launch } from './launch.js';

const ENGINES = ['docker', 'podman'];
/** Processes in one container (L7). */
const MAX_PROCESSES = 1_024;

/** The variables by which a client finds its engine. */
export const ENGINE_VARIABLES = [
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'CONTAINER_HOST',
  'XDG_RUNTIME_DIR',
  'HOME',
];

export interface Container {
  readonly engine: string;
  readonly name: string;
  readonly network: boolean;
}

/** `args` of the host are the command in the container; without any it is `arcp worker --commands`. */
export function dockerLaunch(
  { image, args }: Extract<FleetHostSpec, { kind: 'docker' }>,
  { engine, name, network }: Container,
  words: readonly string[],
): Omit<Launch, 'env'> {
  return {
    program: engine,
    words: [
      'run',
      '--rm',
      '--interactive',
      '--init',
      ...['--name', name],
      ...['--label', 'arcp.fleet=worker'],
      ...['--cap-drop', 'ALL'],
      ...['--security-opt', 'no-new-privileges'],
      ...['--pids-limit', String(MAX_PROCESSES)],
      ...(network ? [] : ['--network', 'none']),
      image,
      ...(args.length > 0 ? args : WORKER_COMMAND),
      ...words,
    ],
    remove: { program: engine, words: ['rm', '--force', name] },
  };
}

/** The client of an engine on this machine. Throws FAILED_PRECONDITION where there is none. */
export async function findEngine(path: string): Promise<string> {
  for (const name of ENGINES) {
    for (const folder of path.split(delimiter)) {
      if (!folder.startsWith('/')) continue;
      const file = join(folder, name);
      const isThere = await access(file, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return file;
    }
  }
  throw new ArcpError('FAILED_PRECONDITION', 'there is neither docker nor podman on this machine');
}
