/** A runtime in the process of a fleet command: what `arcp fleet run` uses where it is given none. */
import { bearerTokens, createRuntime, listen, type Agent, type Server } from '../../index.js';
import { hostFleet } from '../../host-fleet.js';
import type { Store } from '../../store/store.js';
import { loadAgents } from '../agent-modules.js';
import { EXIT } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { createLogger } from '../logging.js';
import { newSecret, removeTokenFile, writeTokenFile } from '../tokens.js';
import { sqliteStore } from '../../index.js';
import { fleetFolder, keepEndpoint } from './endpoint.js';
import { join } from 'node:path';

/** Who starts runs there. */
const OPERATOR = 'operator';

export interface Embedded {
  readonly url: string;
  readonly tokenFile: string;
  close(): Promise<void>;
}

/** Starts it; what was going on in the folder goes on. Other commands find it by the folder. */
export async function embedded(data: string, modules: readonly string[]): Promise<Embedded> {
  const agents: Agent[] = [];
  for (const module of modules) agents.push(...(await loadAgents(module)));
  const store = openFolder(data);
  const secret = newSecret();
  const runtime = createRuntime({
    agents,
    store,
    authenticators: [bearerTokens([[secret, OPERATOR]])],
    logger: createLogger('warn', process.stderr.isTTY, (process.env['NO_COLOR'] ?? '') === ''),
  });
  let server: Server;
  const tokenFile = join(fleetFolder(data), 'token');
  const fleet = await hostFleet(runtime, { store, folder: fleetFolder(data) });
  try {
    server = await listen(runtime, { port: 0 });
    writeTokenFile(tokenFile, secret);
    process.once('exit', () => {
      removeTokenFile(tokenFile, secret);
    });
    keepEndpoint(data, { url: server.url, token_file: tokenFile });
  } catch (error) {
    await runtime.close();
    await fleet.close();
    throw error;
  }
  return {
    url: server.url,
    tokenFile,
    close: async () => {
      await server.drain(0);
      await fleet.close();
    },
  };
}

function openFolder(data: string): Store {
  try {
    return sqliteStore({ folder: data });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const next = 'name the runtime that has it with --url, or another folder with --data';
    throw new Failure(EXIT.failed, reason, next, error);
  }
}
